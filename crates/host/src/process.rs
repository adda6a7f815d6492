//! What a server asks of the process it runs in.

use std::future::poll_fn;
use std::io;
use std::path::Path;
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
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    bounded(Path::new("/sys/fs/cgroup"), &groups).map_or(machine, |most| most.min(machine))
}

/// The least bound of a process's control group and those that it is in; `groups` is as in `/proc/self/cgroup`.
fn bounded(root: &Path, groups: &str) -> Option<u64> {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // A group without a bound says "max"; the root says nothing.
    let most = |group: &Path| std::fs::read_to_string(root.join(group).join("memory.max")).ok()?.trim().parse().ok();
    Path::new(group).ancestors().filter_map(most).min()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_bound_of_all_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("system.slice/docteur.service");
        std::fs::create_dir_all(&group).unwrap();
        let bounded = |groups: &str| bounded(root.path(), groups);
        let groups = "4:memory:/other\n0::/system.slice/docteur.service\n";
        assert_eq!(bounded(groups), None);
        std::fs::write(group.join("memory.max"), "max\n").unwrap();
        assert_eq!(bounded(groups), None);
        std::fs::write(root.path().join("system.slice/memory.max"), "5000000\n").unwrap();
        assert_eq!(bounded(groups), Some(5_000_000), "a slice's");
        std::fs::write(group.join("memory.max"), "4096\n").unwrap();
        assert_eq!(bounded(groups), Some(4096), "the service's own");
        assert_eq!((bounded("0::/"), bounded("4:memory:/\n"), bounded("")), (None, None, None));
        // In a container the root is its own.
        std::fs::write(root.path().join("memory.max"), "8192").unwrap();
        assert_eq!(bounded("0::/"), Some(8192));
        assert!(memory() > 1 << 20);
    }
}
