//! A machine of QEMU's that serves at a port of this one.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::bench::serving::{Process, get};

/// How long a machine may take to serve.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a machine is, but for its disk.
#[derive(Clone)]
pub(super) struct Setup {
    /// QEMU's name for its kind.
    pub(super) machine: &'static str,
    pub(super) kernel: PathBuf,
    pub(super) initrd: Option<PathBuf>,
    /// The kernel's command line.
    pub(super) line: String,
    pub(super) memory: &'static str,
}

/// A running machine, killed when dropped.
pub(super) struct Guest {
    /// `127.0.0.1:PORT`
    pub(super) address: String,
    /// From the start of QEMU to the first page.
    pub(super) started_in: Duration,
    child: Child,
    console: Arc<Mutex<String>>,
}

impl Setup {
    /// Starts it, and waits until it serves the page.
    pub(super) fn start(&self, disk: &Path) -> Result<Guest> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut qemu = Command::new("qemu-system-x86_64");
        let bus = if self.machine == "microvm" { "device" } else { "pci" };
        qemu.args(["-machine", self.machine, "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", self.memory]);
        qemu.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"]);
        qemu.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-global", "virtio-mmio.force-legacy=false"]);
        qemu.args(["-device", &format!("virtio-rng-{bus}")]);
        qemu.args(["-device", &format!("virtio-blk-{bus},drive=store,serial=store")]);
        qemu.args(["-drive", &format!("if=none,id=store,format=raw,file={}", disk.display())]);
        qemu.args(["-netdev", &format!("user,id=net,hostfwd=tcp:127.0.0.1:{port}-:80")]);
        qemu.args(["-device", &format!("virtio-net-{bus},netdev=net"), "-append", &self.line]);
        qemu.arg("-kernel").arg(&self.kernel);
        if let Some(initrd) = &self.initrd {
            qemu.arg("-initrd").arg(initrd);
        }
        let start = Instant::now();
        let mut child = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("qemu-system-x86_64")?;
        let stream = child.stdout.take().context("no standard output")?;
        let console = Arc::new(Mutex::new(String::new()));
        let (sender, listening) = channel();
        let kept = Arc::clone(&console);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push_str(&format!("{line}\n"));
                if line.contains("listening on http") {
                    // Nobody waits for it any more where the server says it twice.
                    let _ = sender.send(());
                }
            }
        });
        let mut guest = Guest { address: format!("127.0.0.1:{port}"), started_in: Duration::MAX, child, console };
        guest.serves(start, &listening).with_context(|| guest.said())?;
        Ok(guest)
    }
}

impl Guest {
    /// Waits until it says that it serves, and asks it for the page.
    fn serves(&mut self, start: Instant, listening: &Receiver<()>) -> Result<()> {
        listening.recv_timeout(PATIENCE).context("it never listens")?;
        loop {
            match get(&self.address, "/") {
                Ok(page) if page.starts_with("HTTP/1.1 200 ") => break,
                Ok(other) if !other.is_empty() => bail!("{other}"),
                _ => ensure!(start.elapsed() < PATIENCE, "it never answers"),
            }
        }
        self.started_in = start.elapsed();
        Ok(())
    }

    pub(super) fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// What its console has said, to explain a failure.
    pub(super) fn said(&self) -> String {
        let said = self.console.lock().unwrap_or_else(PoisonError::into_inner);
        format!("the machine says:\n{said}")
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
