//! The operating system's sockets: TCP over IPv4 and IPv6, and Unix sockets.

#[cfg(feature = "h3")]
mod datagrams;
mod flow;
mod passed;
mod unix;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use device::{Peer, Place, Stack};
use socket2::SockRef;
use tokio::net::TcpSocket;

pub use flow::Socket;
use passed::Passed;
use unix::Unix;

/// Connections the kernel keeps waiting to be accepted; it caps this at `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// The operating system's network. A listener at `[::]` takes IPv4 as well, whose clients keep their IPv4 addresses.
#[derive(Clone, Debug, Default)]
pub struct Sockets {
    reuse_port: bool,
    passed: Option<Arc<Mutex<Passed>>>,
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(tokio::net::TcpListener),
    Unix(Unix),
}

impl Sockets {
    /// The operating system's network.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets other listeners, of this process and of others of the same user, listen at the same address; the kernel
    /// deals connections out among them (`SO_REUSEPORT`).
    #[must_use]
    pub fn reuse_port(mut self) -> Self {
        self.reuse_port = true;
        self
    }

    /// Takes over the sockets that whoever started the process passed to it, for [`Place::Passed`]. To be called once, before
    /// there are other threads: it changes the environment.
    #[must_use]
    pub fn with_passed(mut self) -> Self {
        self.passed = Some(Arc::new(Mutex::new(Passed::from_env())));
        self
    }
}

impl Stack for Sockets {
    type Listener = Listener;

    async fn listen(&self, address: SocketAddr) -> io::Result<Listener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restarted server need not wait for the old one's connections to be forgotten.
        socket.set_reuseaddr(true)?;
        if self.reuse_port {
            socket.set_reuseport(true)?;
        }
        if address.is_ipv6() {
            SockRef::from(&socket).set_only_v6(!address.ip().is_unspecified())?;
        }
        set_options(&SockRef::from(&socket))?;
        socket.bind(address)?;
        Ok(Listener(Kind::Tcp(socket.listen(BACKLOG)?)))
    }

    async fn listen_at(&self, place: &Place) -> io::Result<Vec<Listener>> {
        match place {
            Place::Ip(address) => Ok(vec![self.listen(*address).await?]),
            Place::Unix { path, mode } => Ok(vec![Listener(Kind::Unix(Unix::listen(path, *mode)?))]),
            Place::Passed(name) => match &self.passed {
                Some(passed) => passed.lock().unwrap_or_else(PoisonError::into_inner).take(name.as_deref()),
                None => Err(io::ErrorKind::NotFound.into()),
            },
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl Listener {
    /// A TCP socket that somebody else made.
    fn passed(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        set_options(&SockRef::from(&socket))?;
        Ok(Self(Kind::Tcp(tokio::net::TcpListener::from_std(socket)?)))
    }
}

/// Options that accepted sockets inherit.
fn set_options(socket: &SockRef<'_>) -> io::Result<()> {
    // A small answer is sent at once, not 40 ms later.
    socket.set_tcp_nodelay(true)?;
    // A slow reader is seen to make progress each 128 KiB, not each time a megabyte of buffer has drained.
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(128 * 1024)?;
    Ok(())
}

impl device::Listener for Listener {
    type Flow = Socket;

    async fn accept(&mut self) -> io::Result<(Socket, Peer)> {
        match &self.0 {
            Kind::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                Ok((stream.into(), Peer::Ip(SocketAddr::new(peer.ip().to_canonical(), peer.port()))))
            }
            Kind::Unix(unix) => {
                let (stream, _) = unix.socket.accept().await?;
                Ok((stream.into(), Peer::Local))
            }
        }
    }

    fn local(&self) -> io::Result<Peer> {
        match &self.0 {
            Kind::Tcp(socket) => socket.local_addr().map(Peer::Ip),
            Kind::Unix(_) => Ok(Peer::Local),
        }
    }
}

#[cfg(test)]
mod tests {
    use device::Listener as _;
    use tokio::net::TcpStream;

    use super::*;

    async fn at(sockets: &Sockets, address: &str) -> (Listener, SocketAddr) {
        let listener = sockets.listen(address.parse().unwrap()).await.unwrap();
        let Peer::Ip(local) = listener.local().unwrap() else { panic!("no address") };
        (listener, local)
    }

    #[tokio::test]
    async fn a_small_answer_is_sent_at_once() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let (mut listener, local) = at(&Sockets::new(), any).await;
            let _client = TcpStream::connect(local).await.unwrap();
            let (Socket::Tcp(flow), _) = listener.accept().await.unwrap() else { panic!("another kind") };
            assert!(flow.nodelay().unwrap());
        }
    }

    #[tokio::test]
    async fn both_versions_meet_at_one_listener() {
        let (mut listener, local) = at(&Sockets::new(), "[::]:0").await;
        for loopback in ["127.0.0.1", "::1"] {
            let client = TcpStream::connect((loopback, local.port())).await.unwrap();
            assert_eq!(listener.accept().await.unwrap().1, Peer::Ip(client.local_addr().unwrap()));
        }
    }

    #[tokio::test]
    async fn a_port_is_shared_where_both_say_so() {
        let sockets = Sockets::new().reuse_port();
        let (first, local) = at(&sockets, "127.0.0.1:0").await;
        let second = sockets.listen(local).await.unwrap();
        assert_eq!(second.local().unwrap(), first.local().unwrap());
        assert_eq!(Sockets::new().listen(local).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_process_that_was_passed_nothing_says_so() {
        let place = Place::Passed(None);
        let error = Sockets::new().with_passed().listen_at(&place).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (io::ErrorKind::NotFound, "no socket was passed"));
    }
}
