//! The operating system's TCP sockets.

use std::io;
use std::net::SocketAddr;

use device::{Listener, Peer, Stack};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

/// Connections the kernel keeps waiting to be accepted; it caps this at `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// The operating system's TCP/IP, version 4 and 6.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sockets;

/// A listening TCP socket.
#[derive(Debug)]
pub struct TcpListener {
    socket: tokio::net::TcpListener,
}

impl Stack for Sockets {
    type Listener = TcpListener;

    async fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restarted server need not wait for the old one's connections to be forgotten.
        socket.set_reuseaddr(true)?;
        // Accepted sockets inherit both options. A small answer is sent at once, not 40 ms later.
        SockRef::from(&socket).set_tcp_nodelay(true)?;
        // A slow reader is seen to make progress each 128 KiB, not each time a megabyte of buffer has drained.
        #[cfg(target_os = "linux")]
        SockRef::from(&socket).set_tcp_notsent_lowat(128 * 1024)?;
        socket.bind(address)?;
        Ok(TcpListener { socket: socket.listen(BACKLOG)? })
    }
}

impl Listener for TcpListener {
    type Flow = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, Peer)> {
        let (stream, peer) = self.socket.accept().await?;
        Ok((stream, Peer::Ip(peer)))
    }

    fn local(&self) -> io::Result<Peer> {
        self.socket.local_addr().map(Peer::Ip)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn accepts_without_delay_on_both_versions() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let mut listener = Sockets.listen(address.parse().unwrap()).await.unwrap();
            let Peer::Ip(local) = listener.local().unwrap() else { panic!("no address") };
            let mut client = TcpStream::connect(local).await.unwrap();
            let (mut flow, peer) = listener.accept().await.unwrap();
            assert!(flow.nodelay().unwrap());
            assert_eq!(peer, Peer::Ip(client.local_addr().unwrap()));
            client.write_all(b"hi").await.unwrap();
            client.shutdown().await.unwrap();
            let mut text = String::new();
            flow.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "hi");
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_told() {
        let listener = Sockets.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let Peer::Ip(taken) = listener.local().unwrap() else { panic!("no address") };
        assert_eq!(Sockets.listen(taken).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
