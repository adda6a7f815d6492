//! `pasteur put` and `get` over loopback: memory that does not grow with the file, time against the disk's and the cipher's.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::report::Goal;
use super::serving::{Process, Serving};
use super::{Bench, crates};

const MIB: u64 = 1 << 20;

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let large = if bench.quick { 16 } else { 1024 };
    let rate = crates::sealing_rate(bench.quick)?;
    let written = write_time(&bench.folder, large)?;
    let limit = large as f64 / 1024.0 / rate + written;
    bench.report.add(format!("sealing {large} MiB in memory and writing it with one flush"), limit, "s", Goal::None);

    let mut peaks = Vec::new();
    for size in if bench.quick { vec![4, large] } else { vec![64, 256, large] } {
        let file = bench.folder.join(format!("{size}.bin"));
        pattern(&file, size)?;
        let served = bench.serve(&format!("transfer-{size}.redb"), &[])?;
        let (put, put_peak, link) = client(bench, &served, &["put", "-q", "--no-history", &file.to_string_lossy()])?;
        let out = bench.folder.join(format!("out-{size}"));
        let (get, get_peak, _) = client(bench, &served, &["get", "-q", "-o", &out.to_string_lossy(), link.trim()])?;
        let same = Command::new("cmp").arg(&file).arg(out.join(format!("{size}.bin"))).status()?.success();
        ensure!(same, "{size} MiB came back otherwise");
        let server_peak = served.process().peak_memory()?;
        bench.report.add(format!("put {size} MiB"), put, "s", if size == 256 { Goal::AtMost(1.0) } else { Goal::None });
        bench.report.add(format!("get {size} MiB"), get, "s", Goal::None);
        if size == large {
            bench.report.add(
                format!("put {size} MiB against sealing and writing it"),
                put / limit,
                "x",
                Goal::AtMost(2.0),
            );
        }
        peaks.push((size, server_peak, put_peak.max(get_peak)));
        std::fs::remove_dir_all(out)?;
        std::fs::remove_file(file)?;
        drop(served);
        std::fs::remove_file(bench.folder.join(format!("transfer-{size}.redb")))?;
    }
    for (size, server, client) in &peaks {
        bench.report.add(format!("server's peak resident at {size} MiB"), *server, "MiB", Goal::AtMost(64.0));
        bench.report.add(format!("client's peak resident at {size} MiB"), *client, "MiB", Goal::AtMost(64.0));
    }
    if let (Some(first), Some(last)) = (peaks.first(), peaks.last()) {
        let name = format!("server's peak at {} MiB against {} MiB", last.0, first.0);
        bench.report.add(name, last.1 / first.1, "x", Goal::AtMost(1.25));
        let name = format!("client's peak at {} MiB against {} MiB", last.0, first.0);
        bench.report.add(name, last.2 / first.2, "x", Goal::AtMost(1.25));
    }
    Ok(())
}

/// Runs a client: its seconds, its peak memory in MiB, and what it printed.
fn client(bench: &Bench, served: &Serving, args: &[&str]) -> Result<(f64, f64, String)> {
    let start = Instant::now();
    let mut child = Command::new(&bench.program)
        .args(args)
        .env("PASTEUR_SERVER", format!("http://{}", served.address))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let process = Process(child.id());
    let mut peak = 0.0_f64;
    let status = loop {
        peak = peak.max(process.peak_memory().unwrap_or(0.0));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let seconds = start.elapsed().as_secs_f64();
    let mut printed = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().context("no standard output")?, &mut printed)?;
    ensure!(status.success(), "pasteur {}: {status}", args.join(" "));
    Ok((seconds, peak, printed))
}

fn write_time(folder: &Path, mib: u64) -> Result<f64> {
    let path = folder.join("written");
    let block = vec![0x5a; MIB as usize];
    let start = Instant::now();
    let mut file = std::fs::File::create(&path)?;
    for _ in 0..mib {
        file.write_all(&block)?;
    }
    file.sync_data()?;
    let seconds = start.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(seconds)
}

/// A file whose every MiB is another.
fn pattern(path: &Path, mib: u64) -> Result<()> {
    let mut file = std::fs::File::create(path)?;
    let mut block: Vec<u8> = (0..MIB).map(|i| (i * i % 251) as u8).collect();
    for n in 0..mib {
        block[..8].copy_from_slice(&n.to_le_bytes());
        file.write_all(&block)?;
    }
    file.sync_all()?;
    Ok(())
}
