//! Servers under measurement, and what the kernel says of a process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;

/// A running `pasteur serve`, killed when dropped.
pub(crate) struct Serving {
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    /// From the start of the process to its first answer.
    pub(crate) started_in: Duration,
    child: Child,
}

impl Bench {
    /// Starts a server on a store of that name, new if it was not there.
    pub(crate) fn serve(&self, store: &str, options: &[&str]) -> Result<Serving> {
        let start = Instant::now();
        let mut child = Command::new(&self.program)
            // All the load comes from one address, which the limits of one client must not stop.
            .args(["serve", "--listen", "127.0.0.1:0", "--create-rate", "0", "--log-format", "none"])
            .args(["--connections-per-client", "16384"])
            .arg("--store")
            .arg(self.folder.join(store))
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("pasteur serve")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no standard output")?).read_line(&mut line)?;
        let address = line.trim().rsplit_once('/').map(|(_, address)| address.to_owned());
        let address = address.with_context(|| format!("pasteur serve says {line:?}"))?;
        let answer = get(&address, "/healthz")?;
        // One that speaks TLS says so to who does not.
        let well = if line.contains("https://") { "HTTP/1.1 400 " } else { "HTTP/1.1 2" };
        ensure!(answer.starts_with(well), "/healthz: {answer}");
        Ok(Serving { address, started_in: start.elapsed(), child })
    }
}

impl Serving {
    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Has it end well: its store is closed then.
    pub(crate) fn stop(mut self) -> Result<()> {
        let told = Command::new("kill").arg(self.child.id().to_string()).status()?;
        let status = self.child.wait()?;
        ensure!(told.success() && status.success(), "pasteur serve: {status}");
        Ok(())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One GET on a connection of its own: the whole answer.
pub(crate) fn get(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A process by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Seconds of processor time so far, all threads together.
    pub(crate) fn cpu(self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // The fields count from behind the name, which may hold anything.
        let fields: Vec<_> = stat.rsplit_once(')').context("no name")?.1.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).context("no time");
        // Linux counts 100 ticks a second for user space, whatever its own are.
        Ok((ticks(11)? + ticks(12)?) / 100.0)
    }

    /// Resident memory now, in MiB.
    pub(crate) fn memory(self) -> Result<f64> {
        self.status("VmRSS:")
    }

    /// The most resident memory so far, in MiB.
    pub(crate) fn peak_memory(self) -> Result<f64> {
        self.status("VmHWM:")
    }

    fn status(self, field: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }
}

/// The median time in seconds of making 4 KiB durable in a file of that folder.
pub(crate) fn flush_time(folder: &Path) -> Result<f64> {
    let mut file = std::fs::File::create(folder.join("flush"))?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
