//! What the embedded store takes: `cargo bench -p store` prints a table. Nothing is asserted, as times depend on the
//! machine; the ratio of shared to single commits and the CPU time do so least.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops where it fails")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::FileBlock;
use device::sim::SimClock;
use device::{Block, Timestamp};
use store::conformance::{content, get, id, paste, put};
use store::{Embedded, Options, Store};

const CLIENTS: u64 = 64;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    flushes(&folder.path().join("flush"));
    let quick = std::env::args().any(|a| a == "--test");
    if std::env::args().any(|a| a == "large") {
        return large(&folder.path().join("large"), 1024);
    }
    let (many, few) = if quick { (640, 64) } else { (50_000, 2_000) };
    let single = creates("one commit each", &folder.path().join("single"), few, |o| o.group_commit = false);
    let shared = creates("shared commits", &folder.path().join("shared"), many, |_| ());
    println!("{:>44} {:.1}x", "ratio", shared / single);
    creates("shared commits, quick recovery", &folder.path().join("quick"), many, |o| o.quick_recovery = true);
    reads(&folder.path().join("shared"), many);
    recovery(&folder.path().join("shared"), "small pastes");
    for (name, len, count) in [
        ("2 KiB", 2048, 4000),
        ("9 KB", 9000, 2000),
        ("70 KB", 70_000, 500),
        ("1 MiB", 1 << 20, 64),
        ("10 MB", 10_000_000, 8),
    ] {
        size(name, &folder.path().join(name), len, if quick { 2 } else { count });
    }
    large(&folder.path().join("large"), if quick { 8 } else { 1024 });
}

fn open(path: &Path, tune: impl Fn(&mut Options)) -> Embedded {
    let mut options = Options::default();
    tune(&mut options);
    Embedded::open(FileBlock::open(path), options, Arc::new(SimClock::new(Timestamp(1_700_000_000)))).unwrap()
}

fn flushes(path: &Path) {
    let file = FileBlock::open(path);
    file.set_len(1 << 20).unwrap();
    let start = Instant::now();
    for n in 0..200 {
        file.write(n * 4096, &[1; 4096]).unwrap();
        file.flush().unwrap();
    }
    println!("{:>44} {:.2} ms", "a write of 4 KiB and its flush", millis(start.elapsed()) / 200.0);
}

/// Creates from many clients at once; gives creates a second.
fn creates(name: &str, path: &Path, count: u64, tune: impl Fn(&mut Options)) -> f64 {
    let store = open(path, tune);
    let contents: Arc<Vec<_>> = Arc::new((0..64).map(|n| content(n, 2048)).collect());
    let (wall, cpu) = clients(|client| {
        let (store, contents) = (store.clone(), Arc::clone(&contents));
        async move {
            for n in (client..count).step_by(CLIENTS as usize) {
                // Ids are random in life: these are spread out, too.
                put(&store, paste(spread(n), None), &contents[(n % 64) as usize], 2048).await.unwrap();
            }
        }
    });
    let rate = count as f64 / wall.as_secs_f64();
    println!("{name:>44} {rate:.0} creates/s, {:.1} us CPU each", 1e6 * cpu.as_secs_f64() / count as f64);
    rate
}

fn reads(path: &Path, count: u64) {
    let store = open(path, |_| ());
    let (wall, cpu) = clients(|client| {
        let store = store.clone();
        async move {
            for n in (client..count).step_by(CLIENTS as usize) {
                let id = id(spread(n * 7 % count));
                store.find(&id).await.unwrap();
                assert_eq!(get(&store, &id, 0..u64::MAX).await.unwrap().len(), 2048);
            }
        }
    });
    let (rate, each) = (count as f64 / wall.as_secs_f64(), 1e6 * cpu.as_secs_f64() / count as f64);
    println!("{:>44} {rate:.0} reads/s, {each:.1} us CPU each", "find and read 2 KiB");
}

fn recovery(path: &Path, name: &str) {
    let store = open(path, |_| ());
    // A copy of an open store is what a crash leaves.
    let copy = path.with_extension("copy");
    common::run(put(&store, paste(u64::MAX, None), &content(1, 100), 100)).unwrap();
    std::fs::copy(path, &copy).unwrap();
    drop(store);
    let start = Instant::now();
    drop(open(&copy, |_| ()));
    let size = std::fs::metadata(&copy).unwrap().len();
    println!("{:>44} {:.0} ms for {} MiB", format!("recovery, {name}"), millis(start.elapsed()), size >> 20);
    std::fs::remove_file(copy).unwrap();
}

fn size(name: &str, path: &Path, len: usize, count: u64) {
    let store = open(path, |_| ());
    common::run(async {
        for n in 0..count {
            put(&store, paste(spread(n), None), &content(n, len), 1 << 20).await.unwrap();
        }
        store.close().await.unwrap();
    });
    // What is allocated: the file's length doubles as it grows, with holes.
    let size = 512 * std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(path).unwrap());
    println!(
        "{:>44} {:.2} bytes a byte",
        format!("file size, contents of {name}"),
        size as f64 / (count * len as u64) as f64
    );
    std::fs::remove_file(path).unwrap();
}

fn large(path: &Path, mib: u64) {
    let store = open(path, |_| ());
    common::run(async {
        let piece = content(1, 1 << 20);
        let before = resident();
        let (start, cpu) = (Instant::now(), cpu_time());
        let mut upload = store.begin().await.unwrap();
        for _ in 0..mib {
            store::Upload::write(&mut upload, piece.clone()).await.unwrap();
        }
        store::Upload::publish(&mut upload, paste(1, None)).await.unwrap();
        report(&format!("upload of {mib} MiB"), mib, start, cpu);
        let (start, cpu) = (Instant::now(), cpu_time());
        let mut reader = store.read(&id(1), 0..u64::MAX).await.unwrap();
        while store::Reader::next(&mut reader).await.unwrap().is_some() {}
        report(&format!("download of {mib} MiB"), mib, start, cpu);
        println!("{:>44} {} KiB, before {before} KiB", "resident at most", resident());
    });
    drop(store);
    recovery(path, "one large paste");
    let store = open(path, |_| ());
    common::run(async {
        let (start, cpu) = (Instant::now(), cpu_time());
        store.delete(&id(1)).await.unwrap();
        let answered = start.elapsed();
        while store.audit().await.unwrap().orphans > 0 {
            tokio::task::yield_now().await;
        }
        report(&format!("deletion (answered after {:.1} ms)", millis(answered)), mib, start, cpu);
    });
    let start = Instant::now();
    let file = FileBlock::open(&path.with_extension("plain"));
    let piece = content(1, 1 << 20);
    for n in 0..mib {
        file.write(n << 20, &piece).unwrap();
    }
    file.flush().unwrap();
    println!("{:>44} {:.0} MiB/s", "a plain file of this size", mib as f64 / start.elapsed().as_secs_f64());
}

fn report(name: &str, mib: u64, start: Instant, cpu: Duration) {
    let wall = start.elapsed();
    let cpu = cpu_time() - cpu;
    println!("{name:>44} {:.0} MiB/s, {:.2} s CPU", mib as f64 / wall.as_secs_f64(), cpu.as_secs_f64());
}

/// Runs every client to its end on one thread, as far as the store lets it; gives wall and CPU time.
fn clients<F: Future<Output = ()> + Send + 'static>(client: impl Fn(u64) -> F) -> (Duration, Duration) {
    let (start, cpu) = (Instant::now(), cpu_time());
    common::run(async {
        let clients: Vec<_> = (0..CLIENTS).map(|n| tokio::spawn(client(n))).collect();
        for client in clients {
            client.await.unwrap();
        }
    });
    (start.elapsed(), cpu_time() - cpu)
}

fn spread(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// CPU time of this process: fields 14 and 15 of /proc/self/stat, in hundredths of a second.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|f| f.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// The most memory this process had resident, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
