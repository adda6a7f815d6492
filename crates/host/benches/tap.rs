//! How fast one connection is between `netstack` on a TAP device and the kernel's own TCP, each way, with and without 1% of the packets
//! lost in both directions: prints Gbit a second. It takes the right to administer networks, and `ip`.
//! The kernel controls congestion as the system has it: by BBR it goes on through losses, by CUBIC or Reno 1% of them leaves it windows of
//! some ten segments, whoever is at the other end.
//! Run as a test (`cargo test --benches`) it does a little.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::task::Waker;
use std::time::Instant;

use device::sim::SimRandom;
use device::{Ethernet, Listener, Random, Stack};
use host::{Entropy, Tap};
use netstack::{Config, DriverError, Limits, Netstack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

/// Addresses for measurements (RFC 2544): the kernel's, and the stack's.
const KERNEL: &str = "198.18.255.1/24";
const OURS: &str = "198.18.255.2/24";
const CHUNK: usize = 64 * 1024;
const WINDOW: usize = 1 << 20;

/// A card that loses frames, as many each way, by a sequence that is the same in each run.
struct Losing {
    tap: Tap,
    per_mille: u64,
    random: SimRandom,
}

impl Losing {
    fn is_lost(&self) -> bool {
        let mut dice = [0; 8];
        self.per_mille > 0 && self.random.fill(&mut dice).is_ok() && u64::from_le_bytes(dice) % 1000 < self.per_mille
    }
}

impl Ethernet for Losing {
    fn mac(&self) -> [u8; 6] {
        self.tap.mac()
    }

    fn mtu(&self) -> usize {
        self.tap.mtu()
    }

    fn receive(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        while let Some(len) = self.tap.receive(out)? {
            if !self.is_lost() {
                return Ok(Some(len));
            }
        }
        Ok(None)
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<bool> {
        if self.is_lost() { Ok(true) } else { self.tap.send(frame) }
    }

    fn register(&mut self, waker: &Waker) {
        self.tap.register(waker);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let bytes: u64 = if std::env::args().any(|argument| argument == "--bench") { 1 << 30 } else { 1 << 20 };
    host::runtime()?.block_on(async {
        for (per_mille, kind) in [(0, ""), (10, ", 1% lost")] {
            let (stack, driver) = stack(per_mille)?;
            let to: IpAddr = OURS.split('/').next().unwrap_or_default().parse()?;
            for (sends, way) in [(false, "from the kernel"), (true, "to the kernel")] {
                let rate = carry(&stack, (to, if sends { 2 } else { 1 }).into(), sends, bytes).await?;
                println!("{way}{kind}: {rate:.3} Gbit/s");
            }
            // The device goes with it, and with the device its addresses.
            driver.abort();
            let _ = driver.await;
        }
        Ok(())
    })
}

/// The stack on a TAP device whose other end is up.
fn stack(per_mille: u64) -> Result<(Netstack, JoinHandle<DriverError>), Box<dyn Error>> {
    let tap = Tap::open("pasteur%d")?;
    let name = tap.name()?;
    ip(&["address", "add", KERNEL, "dev", &name])?;
    ip(&["link", "set", &name, "up"])?;
    // Windows as large as the kernel's own: with small ones its sender has nothing to tell a lost retransmission by, and waits for 200 ms.
    let limits = Limits { receive: WINDOW, send: WINDOW, ..Limits::default() };
    let card = Losing { tap, per_mille, random: SimRandom::new(1) };
    let (stack, driver) = Netstack::new(card, &Entropy, Config::default().address(OURS.parse()?).limits(limits))?;
    Ok((stack, tokio::spawn(driver)))
}

fn ip(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let status = Command::new("ip").args(arguments).status()?;
    if status.success() { Ok(()) } else { Err(format!("ip {arguments:?} fails").into()) }
}

/// Gbit a second of one connection, over so many bytes from its first. It is broken off after them: its end may be lost as well, which
/// costs the sender's longest wait once, and is not what is measured here.
async fn carry(stack: &Netstack, at: SocketAddr, sends: bool, bytes: u64) -> Result<f64, Box<dyn Error>> {
    let mut listener = stack.listen(at).await?;
    let kernel = tokio::task::spawn_blocking(move || kernel(TcpStream::connect(at)?, !sends, bytes));
    let (mut flow, _) = listener.accept().await?;
    let begin = Instant::now();
    let mut chunk = vec![0; CHUNK];
    let end = if sends {
        while flow.write_all(&chunk).await.is_ok() {}
        kernel.await??
    } else {
        let mut carried = 0;
        while carried < bytes {
            match flow.read(&mut chunk).await? {
                0 => return Err(format!("{carried} of {bytes} bytes came").into()),
                len => carried += len as u64,
            }
        }
        let end = Instant::now();
        drop(flow);
        kernel.await??;
        end
    };
    Ok(bytes as f64 * 8.0 / 1e9 / (end - begin).as_secs_f64())
}

/// The kernel's end: sends for as long as it may, or receives so many bytes. When that was over.
fn kernel(mut socket: TcpStream, sends: bool, bytes: u64) -> io::Result<Instant> {
    let mut chunk = vec![0; CHUNK];
    if sends {
        while socket.write_all(&chunk).is_ok() {}
        return Ok(Instant::now());
    }
    let mut carried = 0;
    while carried < bytes {
        match socket.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            len => carried += len as u64,
        }
    }
    Ok(Instant::now())
}
