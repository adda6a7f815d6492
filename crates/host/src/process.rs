//! What a server asks of the process it runs in.

use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

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

/// Waits for SIGTERM or SIGINT and gives its name.
///
/// # Errors
/// Where the signals cannot be listened for.
pub async fn stop_signal() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let name = std::future::poll_fn(|cx| {
        if terminate.poll_recv(cx).is_ready() {
            return std::task::Poll::Ready("SIGTERM");
        }
        interrupt.poll_recv(cx).map(|_| "SIGINT")
    });
    Ok(name.await)
}
