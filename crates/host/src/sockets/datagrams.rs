//! UDP sockets for HTTP/3.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use paf::http::{AsyncUdpSocket, Datagrams};
use quinn::{Runtime as _, TokioRuntime};
use socket2::{Domain, Socket, Type};

use super::Sockets;

/// What the kernel keeps of datagrams that nobody has read or sent yet, if it may: all connections share one socket.
const BUFFER: usize = 4 << 20;

impl Datagrams for Sockets {
    /// One that was passed for this address is taken.
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let passed = self.passed.as_ref().map(|passed| passed.lock().unwrap_or_else(PoisonError::into_inner));
        let socket = match passed.and_then(|mut passed| passed.take_datagrams(address)) {
            Some(socket) => socket.into(),
            None => bound(address)?,
        };
        // The kernel gives less where its limit is lower.
        let _ = socket.set_recv_buffer_size(BUFFER);
        let _ = socket.set_send_buffer_size(BUFFER);
        TokioRuntime.wrap_udp_socket(socket.into())
    }
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_taken_once_and_both_versions_share_it() {
        let socket = Sockets::new().bind("[::]:0".parse().unwrap()).unwrap();
        let port = socket.local_addr().unwrap().port();
        for taken in ["127.0.0.1", "[::1]"] {
            let error = Sockets::new().bind(format!("{taken}:{port}").parse().unwrap()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{taken}");
        }
    }
}
