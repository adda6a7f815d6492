//! Load from `wrk`, and nginx as the peer that serves a page.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::shell;

/// Connections at once.
pub(crate) const CONNECTIONS: u32 = 64;

/// What a run of wrk came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Requests in all.
    pub(crate) requests: f64,
    /// The 99th percentile of the time that an answer took, in milliseconds.
    pub(crate) p99: Option<f64>,
}

/// Runs wrk with one thread against an URL; `script` is wrk's Lua for requests other than a plain GET.
pub(crate) fn wrk(url: &str, seconds: u32, script: Option<&Path>) -> Result<Load> {
    let script = script.map(|script| script.to_string_lossy().into_owned());
    let options: Vec<_> = script.iter().flat_map(|script| ["--script", script]).collect();
    wrk_with(url, seconds, &options, CONNECTIONS)
}

/// The same with other options, and as many connections.
pub(crate) fn wrk_with(url: &str, seconds: u32, options: &[&str], connections: u32) -> Result<Load> {
    let mut command = Command::new("wrk");
    command.args(["--threads", "1", "--connections", &connections.to_string(), "--duration", &format!("{seconds}s")]);
    command.arg("--latency").args(options);
    let output = shell::output(command.arg(url)).context("wrk fails")?;
    // A refusal is fast, and must not count.
    ensure!(!output.contains("Non-2xx"), "{url}: {output}");
    let after = |word: &str| {
        let line = output.lines().find_map(|line| line.trim().strip_prefix(word)?.trim().parse::<f64>().ok());
        line.with_context(|| format!("wrk says no {word} {output}"))
    };
    let requests = output.lines().find_map(|line| line.trim().split_once(" requests in")?.0.parse::<f64>().ok());
    let p99 = output.lines().find_map(|line| milliseconds(line.trim().strip_prefix("99%")?.trim()));
    Ok(Load { rate: after("Requests/sec:")?, requests: requests.with_context(|| format!("wrk: {output}"))?, p99 })
}

/// A time as wrk writes it.
fn milliseconds(time: &str) -> Option<f64> {
    let unit = time.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = time.strip_suffix(unit)?.parse().ok()?;
    Some(match unit {
        "us" => number / 1000.0,
        "ms" => number,
        "s" => number * 1000.0,
        "m" => number * 60_000.0,
        _ => return None,
    })
}

/// How many files a process may have open: 150,000, or what the system allows. Being root is not enough to be allowed more.
fn descriptors() -> u64 {
    const WANTED: u64 = 150_000;
    let now = getrlimit(Resource::Nofile);
    let Some(most) = now.maximum.filter(|most| *most < WANTED) else { return WANTED };
    // Its children may have as many as this process may.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: now.current, maximum: Some(WANTED) });
    if raised.is_ok() { WANTED } else { most }
}

/// How many files an nginx keeps open, beside its connections.
pub(crate) fn kept_open() -> u64 {
    descriptors().saturating_sub(2048).min(100_000)
}

/// A running nginx with two workers, killed when dropped.
pub(crate) struct Nginx(Child);

impl Nginx {
    /// Serves `page` as a static file at `http://127.0.0.1:PORT/page.html`.
    pub(crate) fn start(folder: &Path, port: u16, page: &[u8]) -> Result<Self> {
        let folder = folder.join("nginx");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("page.html"), page)?;
        Self::of_folder(&folder, &folder, port, "/page.html")
    }

    /// Serves the files of the folder `root`, one of them at `known`; what nginx itself writes goes to `folder`.
    pub(crate) fn of_folder(folder: &Path, root: &Path, port: u16, known: &str) -> Result<Self> {
        let (place, root) = (folder.display(), root.display());
        let (open, kept) = (descriptors(), kept_open());
        // The files may be in a home that only its owner reads; unless it is root who asks, nginx does not look at the user.
        let config = format!(
            "daemon off; user root; worker_processes 2; worker_rlimit_nofile {open}; pid {place}/pid; error_log {place}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; root {root};\n\
             types {{ text/html html; }} open_file_cache max={kept};\n\
             client_body_temp_path {place}/a; proxy_temp_path {place}/b; fastcgi_temp_path {place}/c;\n\
             uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;\n\
             server {{ listen 127.0.0.1:{port}; }} }}\n"
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, config)?;
        let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let child = Command::new(program).arg("-c").arg(&file).stderr(Stdio::null()).spawn().context("nginx")?;
        let nginx = Self(child);
        for _ in 0..100 {
            if super::serving::get(&format!("127.0.0.1:{port}"), known).is_ok_and(|a| a.contains("200 OK")) {
                return Ok(nginx);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        anyhow::bail!("nginx does not answer; see {}/error.log", folder.display())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master takes its workers with it on a signal that it can handle.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}
