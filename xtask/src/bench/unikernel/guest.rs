//! A machine of QEMU's that serves at a port of this one.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
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
    /// Other places of this kind.
    pub(super) more: Vec<String>,
    /// From the start of QEMU to the first page.
    pub(super) started_in: Duration,
    /// Seconds of processor time that QEMU took until then: what the start takes where others leave it a processor.
    pub(super) started_by: f64,
    child: Child,
    console: Arc<Mutex<String>>,
}

impl Setup {
    /// Starts it, and waits until it serves the page.
    pub(super) fn start(&self, disk: &Path) -> Result<Guest> {
        self.start_at(disk, 0)
    }

    /// The same, served at `more` other ports, too: QEMU lets one connection wait to be taken at each.
    pub(super) fn start_at(&self, disk: &Path, more: usize) -> Result<Guest> {
        let mut places: Vec<_> = free_ports(more + 1)?.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let ports: String = places.iter().map(|place| format!(",hostfwd=tcp:{place}-:80")).collect();
        let mut qemu = Command::new("qemu-system-x86_64");
        let bus = if self.machine == "microvm" { "device" } else { "pci" };
        qemu.args(["-machine", self.machine, "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", self.memory]);
        qemu.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"]);
        qemu.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-global", "virtio-mmio.force-legacy=false"]);
        qemu.args(["-device", &format!("virtio-rng-{bus}")]);
        qemu.args(["-device", &format!("virtio-blk-{bus},drive=store,serial=store")]);
        qemu.args(["-drive", &format!("if=none,id=store,format=raw,file={}", disk.display())]);
        qemu.args(["-netdev", &format!("user,id=net{ports}")]);
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
        let address = places.remove(0);
        let mut guest = Guest { address, more: places, started_in: Duration::MAX, started_by: 0.0, child, console };
        guest.serves(start, &listening).with_context(|| guest.said())?;
        Ok(guest)
    }
}

/// Ports for QEMU to listen at. They are none of those that systems give to connections (Linux: from 32768 on), so that nobody is given one
/// before QEMU has it.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let ports = std::iter::repeat_with(|| NEXT.fetch_add(1, Relaxed)).take_while(|port| *port < 32_000);
    let ports: Vec<_> = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).take(count).collect();
    ensure!(ports.len() == count, "there are no {count} ports that nobody listens at");
    Ok(ports)
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
        self.started_by = self.process().cpu()?;
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
