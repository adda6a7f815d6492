//! What a server asks of the process it runs in.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::system::sysinfo;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Stack of a thread. Nothing here recurses; the default of 2 MiB is address space for nothing.
const STACK: usize = 512 * 1024;

/// The runtime of a server: one worker for each processor.
///
/// # Errors
/// Whatever the system reports.
pub fn runtime() -> io::Result<Runtime> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread().worker_threads(workers).thread_stack_size(STACK).enable_all().build()
}

/// Raises the limit on open descriptors as far as the system lets an ordinary process, and tells what it is now.
#[must_use]
pub fn raise_descriptor_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it cannot be raised, the limit that is read back says so.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Bytes of memory that this process may have: the machine's, or less where its control group (version 2) is bounded.
#[must_use]
pub fn memory() -> u64 {
    let machine = sysinfo();
    let machine = machine.totalram.saturating_mul(machine.mem_unit.into());
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    group.and_then(|most| most.trim().parse().ok()).map_or(machine, |most: u64| most.min(machine))
}

/// The signal by which an operator says that files have changed.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Listens for SIGHUP from now on; it no longer ends the process by itself.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn new() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one; several that come at once count as one. Cancel safe.
    pub async fn next(&mut self) {
        // The signal's source does not end while the process lives.
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

/// The signals that tell a server to stop.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens for SIGTERM and SIGINT from now on; they no longer end the process by themselves.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them and gives its name. Cancel safe.
    pub async fn stop(&mut self) -> &'static str {
        poll_fn(|cx| match self.terminate.poll_recv(cx) {
            Poll::Ready(_) => Poll::Ready("SIGTERM"),
            Poll::Pending => self.interrupt.poll_recv(cx).map(|_| "SIGINT"),
        })
        .await
    }
}
