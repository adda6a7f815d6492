//! The operating system's sockets are held to what every network stack promises.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use device::conformance::{self, World};
use device::{Listener, Peer, Place, Stack};
use host::Sockets;
use socket2::SockRef;
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixStream};

/// One at a time: descriptors are counted, and they are the whole process's.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    let _ = host::raise_descriptor_limit();
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run<T>(test: impl Future<Output = T>) -> T {
    host::runtime().unwrap().block_on(test)
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn a_while() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// Loopback.
struct Internet {
    any: SocketAddr,
}

impl World for Internet {
    type Listener = host::Listener;
    type Client = TcpStream;
    type Address = SocketAddr;

    async fn listen(&self) -> io::Result<(host::Listener, SocketAddr)> {
        let listener = Sockets::new().listen(self.any).await?;
        match listener.local()? {
            Peer::Ip(address) => Ok((listener, address)),
            Peer::Local => panic!("a socket of the internet has an address of it"),
        }
    }

    async fn connect(&self, to: &SocketAddr) -> io::Result<(TcpStream, Peer)> {
        let stream = TcpStream::connect(to).await?;
        let me = Peer::Ip(stream.local_addr()?);
        Ok((stream, me))
    }

    fn reset(&self, flow: TcpStream) {
        SockRef::from(&flow).set_linger(Some(Duration::ZERO)).unwrap();
    }

    async fn settle(&self) {
        a_while().await;
    }

    fn held(&self) -> usize {
        descriptors()
    }
}

/// Sockets of a folder.
struct Machine {
    folder: TempDir,
    made: AtomicUsize,
}

impl World for Machine {
    type Listener = host::Listener;
    type Client = UnixStream;
    type Address = PathBuf;

    async fn listen(&self) -> io::Result<(host::Listener, PathBuf)> {
        let path = self.folder.path().join(self.made.fetch_add(1, Ordering::Relaxed).to_string());
        let place = Place::Unix { path: path.clone(), mode: None };
        let listener = Sockets::new().listen_at(&place).await?.pop().unwrap();
        assert_eq!(listener.local()?, Peer::Local);
        Ok((listener, path))
    }

    async fn connect(&self, to: &PathBuf) -> io::Result<(UnixStream, Peer)> {
        Ok((UnixStream::connect(to).await?, Peer::Local))
    }

    /// The system resets what is closed with bytes unread, and the suite sends some.
    fn reset(&self, flow: UnixStream) {
        drop(flow);
    }

    async fn settle(&self) {
        a_while().await;
    }

    fn held(&self) -> usize {
        descriptors()
    }
}

#[test]
fn unix_sockets_keep_what_stacks_promise() {
    let _alone = alone();
    run(conformance::all(&Machine { folder: tempfile::tempdir().unwrap(), made: AtomicUsize::new(0) }));
}

#[test]
fn ipv4_keeps_what_stacks_promise() {
    let _alone = alone();
    let any = "127.0.0.1:0".parse().unwrap();
    run(conformance::addresses_are_taken_once(&Sockets::new(), any));
    run(conformance::all(&Internet { any }));
}

#[test]
fn ipv6_keeps_what_stacks_promise() {
    let _alone = alone();
    let any = "[::1]:0".parse().unwrap();
    run(conformance::addresses_are_taken_once(&Sockets::new(), any));
    run(conformance::all(&Internet { any }));
}
