//! `paf` beside nginx with two workers: the same files, the same certificate, the same load.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::load::{CONNECTIONS, Load, wrk, wrk_with};
use super::report::Goal;
use super::serving::{Process, get};
use crate::{paths, setup, shell};

/// Bodies by name, and their bytes.
const BODIES: [(&str, usize); 2] = [("4KiB", 4 << 10), ("1MiB", 1 << 20)];
/// Streams of an HTTP/2 connection at once.
const STREAMS: &str = "10";

/// A server of the bodies at three places.
struct Server {
    child: Child,
    plain: String,
    tls: String,
    http2: String,
}

/// What a load did to a server.
struct Figures {
    load: Load,
    /// Processor time of a thousand requests.
    cpu: f64,
}

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let programs = [("wrk", "wrk"), ("nginx", "nginx-light"), ("openssl", "openssl"), ("h2load", "nghttp2-client")];
    setup::programs(&programs)?;
    let folder = bench.folder.join("paf");
    let bodies = folder.join("bodies");
    std::fs::create_dir_all(&bodies)?;
    for (name, size) in BODIES {
        let body: Vec<u8> = (0..size).map(|n| (n * 31 % 251) as u8).collect();
        std::fs::write(bodies.join(name), body)?;
    }
    certificate(&folder)?;
    let (ours, theirs) = (ours(&folder)?, nginx(&folder, "on")?);
    let seconds = if bench.quick { 1 } else { 6 };
    for (name, _) in BODIES {
        let path = format!("/{name}");
        compare(bench, &format!("{name}, plain HTTP/1.1"), [&ours, &theirs], |server| {
            wrk(&format!("http://{}{path}", server.plain), seconds, None)
        })?;
        compare(bench, &format!("{name}, TLS 1.3, HTTP/1.1"), [&ours, &theirs], |server| {
            wrk(&format!("https://{}{path}", server.tls), seconds, None)
        })?;
        compare(bench, &format!("{name}, TLS 1.3, HTTP/2"), [&ours, &theirs], |server| {
            h2load(&format!("https://{}{path}", server.http2), seconds, &folder.join("h2load.log"))
        })?;
    }
    // What nginx gains where the kernel sends pages of the file and nothing is copied, which is not to be had for what hyper writes.
    let copying = nginx(&folder, "off")?;
    let load = |server: &Server| wrk(&format!("http://{}/1MiB", server.plain), seconds, None);
    let (sent, copied) = (measure(&theirs, load)?, measure(&copying, load)?);
    bench.report.add(
        "1MiB, plain HTTP/1.1: nginx without sendfile, against itself",
        copied.load.rate / sent.load.rate,
        "x",
        Goal::None,
    );
    let what = "1MiB, plain HTTP/1.1: nginx without sendfile, processor time a request, against itself";
    bench.report.add(what, copied.cpu / sent.cpu, "x", Goal::None);
    drop(copying);
    compare(bench, "new TLS connections", [&ours, &theirs], |server| {
        wrk_with(&format!("https://{}/4KiB", server.tls), seconds, &["--header", "Connection: close"], CONNECTIONS)
    })?;
    drop((ours, theirs));
    idle(bench, &folder)
}

/// Loads one server after the other, and reports ours as shares of theirs.
fn compare(bench: &mut Bench, what: &str, servers: [&Server; 2], load: impl Fn(&Server) -> Result<Load>) -> Result<()> {
    let (ours, theirs) = (measure(servers[0], &load)?, measure(servers[1], &load)?);
    let report = &mut bench.report;
    report.add(what, ours.load.rate, "a second", Goal::None);
    report.add(format!("{what}: against nginx"), ours.load.rate / theirs.load.rate, "x", Goal::AtLeast(1.0));
    report.add(
        format!("{what}: processor time a request, against nginx"),
        ours.cpu / theirs.cpu,
        "x",
        Goal::AtMost(1.0),
    );
    if let (Some(ours), Some(theirs)) = (ours.load.p99, theirs.load.p99) {
        report.add(format!("{what}: 99th percentile, against nginx"), ours / theirs, "x", Goal::AtMost(1.0));
    }
    Ok(())
}

fn measure(server: &Server, load: impl Fn(&Server) -> Result<Load>) -> Result<Figures> {
    let before = server.cpu()?;
    let load = load(server)?;
    Ok(Figures { load, cpu: (server.cpu()? - before) * 1000.0 / load.requests })
}

/// Resident memory of connections that were used once and then say nothing.
fn idle(bench: &mut Bench, folder: &Path) -> Result<()> {
    let (count, over_tls): (u32, u32) = if bench.quick { (100, 100) } else { (10_000, 2000) };
    super::server::raise_descriptor_limit();
    let server = ours(folder)?;
    let process = Process(server.child.id());
    let before = process.memory()?;
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(&server.plain)?;
        write!(stream, "HEAD /4KiB HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        ensure!(start.ends_with(b"200"), "{}", String::from_utf8_lossy(&start));
        open.push(stream);
    }
    std::thread::sleep(Duration::from_secs(1));
    let each = (process.memory()? - before) * 1024.0 / f64::from(count);
    bench.report.add(format!("an idle plain connection, of {count}"), each, "KiB", Goal::AtMost(8.0));
    drop((open, server));

    let server = ours(folder)?;
    let process = Process(server.child.id());
    let before = process.memory()?;
    // Each connection asks once at once, and again after the end.
    let script = folder.join("idle.lua");
    let lua = format!("local n = 0\nfunction delay() n = n + 1; return n > {over_tls} and 600000 or 0 end\n");
    std::fs::write(&script, lua)?;
    let url = format!("https://{}/4KiB", server.tls);
    let script = script.to_string_lossy().into_owned();
    let load = std::thread::spawn(move || wrk_with(&url, 12, &["--script", &script], over_tls));
    std::thread::sleep(Duration::from_secs(9));
    let each = (process.memory()? - before) * 1024.0 / f64::from(over_tls);
    let load = load.join().map_err(|_| anyhow::anyhow!("the load's thread panicked"))??;
    ensure!(load.requests >= f64::from(over_tls) * 0.99, "of {over_tls} connections {} were used", load.requests);
    bench.report.add(format!("an idle TLS connection, of {over_tls}"), each, "KiB", Goal::AtMost(24.0));
    Ok(())
}

pub(super) fn certificate(folder: &Path) -> Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.arg("-keyout").arg(folder.join("key.pem")).arg("-out").arg(folder.join("certificate.pem"));
    ensure!(openssl.stderr(Stdio::null()).status().context("openssl")?.success(), "openssl makes no certificate");
    Ok(())
}

fn ours(folder: &Path) -> Result<Server> {
    shell::run(shell::cargo().args(["build", "--quiet", "--release", "--package", "host", "--example", "bodies"]))?;
    let mut child = Command::new(paths::target().join("release/examples/bodies"))
        .arg(folder.join("bodies"))
        .args([folder.join("certificate.pem"), folder.join("key.pem")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("the example bodies")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no standard output")?).read_line(&mut line)?;
    let mut places = line.split_whitespace().map(str::to_owned);
    let mut next = || places.next().with_context(|| format!("the example bodies says {line:?}"));
    let (plain, tls, http2) = (next()?, next()?, next()?);
    Ok(Server { child, plain, tls, http2 })
}

/// nginx, with the kernel's sendfile on or off.
fn nginx(folder: &Path, sendfile: &str) -> Result<Server> {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut places = Vec::new();
    for listener in listeners {
        places.push(listener?.local_addr()?.to_string());
    }
    let [plain, tls, http2] = <[String; 3]>::try_from(places).map_err(|_| anyhow::anyhow!("three places"))?;
    let place = folder.display();
    let config = format!(
        "daemon off; worker_processes 2; pid {place}/pid-{sendfile}; error_log {place}/error.log;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; sendfile {sendfile}; tcp_nopush on; tcp_nodelay on; root {place}/bodies;\n\
         keepalive_requests 100000000; open_file_cache max=10; open_file_cache_valid 600s;\n\
         ssl_certificate {place}/certificate.pem; ssl_certificate_key {place}/key.pem; ssl_protocols TLSv1.3;\n\
         client_body_temp_path {place}/a; proxy_temp_path {place}/b; fastcgi_temp_path {place}/c;\n\
         uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;\n\
         server {{ listen {plain}; listen {tls} ssl; listen {http2} ssl http2; }} }}\n"
    );
    let file = folder.join(format!("nginx-{sendfile}.conf"));
    std::fs::write(&file, config)?;
    let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let child = Command::new(program).arg("-c").arg(&file).stderr(Stdio::null()).spawn().context("nginx")?;
    let server = Server { child, plain, tls, http2 };
    for _ in 0..100 {
        if get(&server.plain, "/4KiB").is_ok_and(|answer| answer.contains("200 OK")) {
            return Ok(server);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    anyhow::bail!("nginx does not answer; see {place}/error.log")
}

/// Loads by HTTP/2. Its log has a line for each request: when it began, its status, and how long it took in microseconds.
fn h2load(url: &str, seconds: u32, log: &Path) -> Result<Load> {
    // It writes behind what is there.
    if log.exists() {
        std::fs::remove_file(log)?;
    }
    let mut command = Command::new("h2load");
    command.args(["--threads", "1", "--clients", &CONNECTIONS.to_string(), "--max-concurrent-streams", STREAMS]);
    command.arg(format!("--log-file={}", log.display()));
    let output = shell::output(command.args(["--duration", &seconds.to_string(), url])).context("h2load fails")?;
    let number = |before: &str, after: &str| {
        let rest = output.lines().find_map(|line| line.trim().strip_prefix(before))?;
        rest.split(after).next()?.rsplit(' ').next()?.parse::<f64>().ok()
    };
    ensure!(output.contains(" 0 failed, 0 errored, 0 timeout"), "{url}: {output}");
    let rate = number("finished in ", " req/s").with_context(|| format!("h2load says no rate: {output}"))?;
    let requests = number("requests: ", " total").with_context(|| format!("h2load says no number: {output}"))?;
    let mut times = Vec::new();
    for line in BufReader::new(std::fs::File::open(log).context("h2load wrote no log")?).lines() {
        let line = line?;
        let took = line.rsplit('\t').next().and_then(|micros| micros.parse::<u64>().ok());
        times.push(took.with_context(|| format!("h2load's log says {line:?}"))?);
    }
    ensure!(times.len() as f64 >= requests * 0.99, "h2load's log has {} lines of {requests}", times.len());
    times.sort_unstable();
    Ok(Load { rate, requests, p99: Some(times[times.len() * 99 / 100] as f64 / 1000.0) })
}

impl Server {
    /// Processor time of its processes so far.
    fn cpu(&self) -> Result<f64> {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let mut sum = Process(id).cpu()?;
        for child in children.split_whitespace() {
            sum += Process(child.parse()?).cpu()?;
        }
        Ok(sum)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx's master takes its workers with it on a signal that it can handle.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
