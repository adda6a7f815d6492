//! The server: durable creates, reads, the page, many connections, slow ones, and what it takes when idle.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::Token;

use super::load::{Load, Nginx, wrk};
use super::report::Goal;
use super::serving::{Serving, flush_time, get};
use super::{Bench, paste};

/// Bytes of content of a small paste.
const SMALL: usize = 2048;
/// What nginx answered in a second, with 4 KiB of a static file, on the quiet machine that the goals were set on: how fast a
/// machine is, and its load generator, shows in it.
const PEER: f64 = 99_600.0;

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    idle(bench)?;
    let peer = nginx(bench, &[b'x'; 4096])?;
    bench.report.add("nginx, two workers, 4 KiB static", peer, "a second", Goal::None);
    let served = creates(bench, peer)?;
    reads(bench, &served, peer)?;
    drop(served);
    page(bench)?;
    connections(bench)?;
    slow_clients(bench)
}

fn idle(bench: &mut Bench) -> Result<()> {
    let mut times = Vec::new();
    for n in 0..if bench.quick { 2 } else { 15 } {
        let served = bench.serve(&format!("idle-{n}.redb"), &[])?;
        times.push(served.started_in.as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    bench.report.add("start to first answer, new store, median", times[times.len() / 2], "ms", Goal::AtMost(50.0));
    let served = bench.serve("idle.redb", &[])?;
    std::thread::sleep(Duration::from_secs(1));
    bench.report.add("idle server, empty store, resident", served.process().memory()?, "MiB", Goal::AtMost(12.0));
    Ok(())
}

fn creates(bench: &mut Bench, peer: f64) -> Result<Serving> {
    let seconds = if bench.quick { 1 } else { 10 };
    let script = create_script(&bench.folder)?;
    let flush = flush_time(&bench.folder)?;
    bench.report.add("making 4 KiB durable on this disk, median", flush * 1000.0, "ms", Goal::None);

    let measure = |served: &Serving, seconds| -> Result<(Load, f64)> {
        let before = served.process().cpu()?;
        let load = wrk(&format!("http://{}/api/v1/pastes", served.address), seconds, Some(&script))?;
        Ok((load, (served.process().cpu()? - before) * 1000.0 / load.requests))
    };
    let (single, _) = measure(&bench.serve("single.redb", &["--no-group-commit"])?, seconds)?;
    let served = bench.serve("creates.redb", &[])?;
    let (shared, cpu) = measure(&served, seconds)?;
    bench.report.add("durable creates, 64 connections, 2 KiB", shared.rate, "a second", Goal::AtLeast(10_000.0));
    bench.report.add("the same against nginx", shared.rate / peer, "x", Goal::AtLeast(10_000.0 / PEER));
    bench.report.add("the same, committing one at a time", single.rate, "a second", Goal::None);
    bench.report.add("shared commits against single ones", shared.rate / single.rate, "x", Goal::AtLeast(10.0));
    bench.report.add("processor time of a thousand creates", cpu, "s", Goal::AtMost(0.12));
    Ok(served)
}

fn reads(bench: &mut Bench, served: &Serving, peer: f64) -> Result<()> {
    let token = Token::new([7; 32]);
    let form = paste::form(&token, &paste::content(SMALL));
    // A thousand pastes by turns, so that no single one is all that is read.
    let ids = (0..1000).map(|_| paste::create(&served.address, &form)).collect::<Result<Vec<_>>>()?;
    let script = bench.folder.join("read.lua");
    std::fs::write(&script, paste::reading(&ids, &token))?;
    let before = served.process().cpu()?;
    let load = wrk(&format!("http://{}/", served.address), if bench.quick { 1 } else { 10 }, Some(&script))?;
    let cpu = (served.process().cpu()? - before) * 1000.0 / load.requests;
    bench.report.add("reads of 2 KiB contents, 64 connections", load.rate, "a second", Goal::AtLeast(40_000.0));
    bench.report.add("the same against nginx", load.rate / peer, "x", Goal::AtLeast(40_000.0 / PEER));
    bench.report.add("processor time of a thousand reads", cpu, "s", Goal::AtMost(0.04));
    Ok(())
}

fn page(bench: &mut Bench) -> Result<()> {
    let seconds = if bench.quick { 1 } else { 8 };
    let served = bench.serve("page.redb", &[])?;
    let answer = get(&served.address, "/")?;
    let (_, page) = answer.split_once("\r\n\r\n").context("no body")?;
    let theirs = nginx(bench, page.as_bytes())?;
    let ours = wrk(&format!("http://{}/", served.address), seconds, None)?.rate;
    bench.report.add("the create page", ours, "a second", Goal::None);
    bench.report.add("nginx, two workers, a file of its size", theirs, "a second", Goal::None);
    bench.report.add("the create page against nginx", ours / theirs, "x", Goal::AtLeast(0.8));
    Ok(())
}

/// What nginx with two workers answers in a second, with a static file.
fn nginx(bench: &Bench, page: &[u8]) -> Result<f64> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let _nginx = Nginx::start(&bench.folder, port, page)?;
    Ok(wrk(&format!("http://127.0.0.1:{port}/page.html"), if bench.quick { 1 } else { 8 }, None)?.rate)
}

fn connections(bench: &mut Bench) -> Result<()> {
    let count = if bench.quick { 200 } else { 10_000 };
    raise_descriptor_limit();
    let served = bench.serve("connections.redb", &[])?;
    let mut open = Vec::with_capacity(count);
    for n in 0..count {
        let mut stream = TcpStream::connect(&served.address).with_context(|| format!("connection {n}"))?;
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let mut start = [0; 12];
        std::io::Read::read_exact(&mut stream, &mut start)?;
        ensure!(
            start.ends_with(b"200") || start.ends_with(b"204"),
            "connection {n}: {}",
            String::from_utf8_lossy(&start)
        );
        open.push(stream);
    }
    let name = format!("{count} idle connections, resident in all");
    bench.report.add(name, served.process().memory()?, "MiB", Goal::AtMost(200.0));
    Ok(())
}

/// Clients that send a byte a second, beside good ones.
fn slow_clients(bench: &mut Bench) -> Result<()> {
    let (count, seconds) = if bench.quick { (50, 1) } else { (2000, 8) };
    let served = bench.serve("slow.redb", &[])?;
    let url = format!("http://{}/", served.address);
    let alone = wrk(&url, seconds, None)?.rate;
    let mut slow = Vec::with_capacity(count);
    for n in 0..count {
        let mut stream = TcpStream::connect(&served.address)?;
        // Half are slow in their head, half in their body.
        if n % 2 == 0 {
            write!(stream, "GET / HTTP/1.1\r\nX-Slow: ")?;
        } else {
            write!(
                stream,
                "POST /api/v1/pastes HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\
                 Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
            )?;
        }
        slow.push(stream);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let drip = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_secs(1));
            for stream in &mut slow {
                // The server may have had enough of it.
                let _ = stream.write(b"x");
            }
        }
    });
    let beside = wrk(&url, seconds, None);
    stop.store(true, Ordering::Relaxed);
    let _ = drip.join();
    bench.report.add(
        format!("pages beside {count} clients of a byte a second"),
        beside?.rate / alone,
        "x",
        Goal::AtLeast(0.5),
    );
    Ok(())
}

fn create_script(folder: &Path) -> Result<PathBuf> {
    let script = folder.join("create.lua");
    std::fs::write(&script, paste::creating(&paste::form(&Token::new([7; 32]), &paste::content(SMALL))))?;
    Ok(script)
}

/// Lets this process hold ten thousand connections.
pub(super) fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where it is refused, connecting says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
