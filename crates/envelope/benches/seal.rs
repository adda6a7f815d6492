//! How fast a paste is sealed and opened on this machine, in memory and by one thread: prints GiB a second, by the clock
//! and, on Linux, by the processor's time, which a busy machine distorts less.
//! Run as a test (`cargo test --benches`) it does one short round.

use std::hint::black_box;
use std::io::{self, Read};
use std::time::Instant;

use envelope::io::{OpenReader, SealReader};
use envelope::native::Aes256Gcm;
use envelope::{ContentKey, SEGMENT_LEN, Sealer, TAG_LEN};

fn main() -> io::Result<()> {
    let mib: u64 = if std::env::args().any(|a| a == "--bench") { 1024 } else { 8 };
    let key = ContentKey::from_bytes([1; 32]);

    let sealer = Sealer::new(&key, b"", [2; 32], [3; 7]);
    let aead = Aes256Gcm::new(sealer.segment_key());
    let mut buf = vec![0; SEGMENT_LEN];
    rate("AES-256-GCM alone, seal", mib, || {
        for index in 0..mib as u32 {
            buf.truncate(SEGMENT_LEN - TAG_LEN);
            let nonce = sealer.header().nonce(index, false);
            let segment = envelope::Segment { index, nonce, last: false, bytes: std::mem::take(&mut buf) };
            buf = aead.seal(segment).map_err(io::Error::other)?;
        }
        Ok(())
    })?;

    let zeros = || io::repeat(0).take(mib << 20);
    let seal = || SealReader::new(zeros(), &key, b"", [2; 32], [3; 7]);
    rate("SealReader", mib, || drain(seal()))?;
    let mut sealed = Vec::new();
    SealReader::new(io::repeat(0).take(64 << 20), &key, b"", [2; 32], [3; 7]).read_to_end(&mut sealed)?;
    rate("OpenReader", mib.max(64), || {
        for _ in 0..mib.max(64) / 64 {
            drain(OpenReader::new(&sealed[..], &key, b""))?;
        }
        Ok(())
    })
}

fn rate(what: &str, mib: u64, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let (start, used) = (Instant::now(), processor_time());
    work()?;
    let gib = mib as f64 / 1024.0;
    println!("{what}: {:.2} GiB/s", gib / start.elapsed().as_secs_f64());
    if let (Some(before), Some(after)) = (used, processor_time()) {
        println!("{what}, by processor time: {:.2} GiB/s", gib / (after - before));
    }
    Ok(())
}

/// Seconds this process has run for (Linux: the first number of schedstat is nanoseconds).
fn processor_time() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split(' ').next()?.parse::<f64>().ok().map(|nanos| nanos / 1e9)
}

fn drain(mut from: impl Read) -> io::Result<()> {
    let mut chunk = vec![0; 64 << 10];
    while black_box(from.read(&mut chunk)?) > 0 {}
    Ok(())
}
