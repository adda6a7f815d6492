//! What the holder of a flow does.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use smoltcp::socket::tcp::{RecvError, Socket, State};
use smoltcp::wire::{IpEndpoint, IpListenEndpoint};
use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::{Core, FIRST_FREE};
use crate::guard;
use crate::segment::Pair;

impl Core {
    /// Begins a connection to an address; gives the flow's key.
    pub(crate) fn connect(&mut self, to: SocketAddr) -> io::Result<u64> {
        if self.failed {
            return Err(io::ErrorKind::NetworkDown.into());
        }
        let is_a_hosts = match to.ip() {
            IpAddr::V4(ip) => guard::is_a_hosts4(ip),
            IpAddr::V6(ip) => guard::is_a_hosts6(ip),
        };
        if !is_a_hosts || to.port() == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{to} is no host's address and port")));
        }
        if self.sockets() >= self.limits.sockets {
            let text = format!("{} sockets are in use, which is the limit", self.limits.sockets);
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, text));
        }
        let source = self.interface.get_source_address(&to.ip().into()).filter(|source| !source.is_unspecified());
        let source: IpAddr = source.ok_or(io::ErrorKind::NetworkUnreachable)?.into();
        // From an address of the link nobody is heard beyond it.
        if is_of_link(source) && !is_of_link(to.ip()) {
            return Err(io::ErrorKind::NetworkUnreachable.into());
        }
        let from = self.free_port(source, to)?;
        let mut socket = self.new_socket();
        let remote = IpEndpoint::from(to);
        let local = IpListenEndpoint { addr: Some(source.into()), port: from.port() };
        socket.connect(self.interface.context(), remote, local).map_err(|error| io::Error::other(error.to_string()))?;
        let handle = self.add(socket, Pair(from, to), None);
        self.kick();
        Ok(self.flow(handle, Pair(from, to), Instant::now()))
    }

    fn free_port(&mut self, source: IpAddr, to: SocketAddr) -> io::Result<SocketAddr> {
        for _ in FIRST_FREE..=u16::MAX {
            self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_FREE);
            let from = SocketAddr::new(source, self.next_port);
            if !self.pairs.contains_key(&Pair(from, to)) {
                return Ok(from);
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    pub(crate) fn poll_connected(&mut self, key: u64, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let (Some(handle), since) = self.flows.get(&key).map_or((None, self.begun), |e| (e.handle, e.since)) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        match socket.state() {
            State::SynSent | State::SynReceived => {
                socket.register_send_waker(cx.waker());
                Poll::Pending
            }
            State::Closed if since.elapsed() >= self.limits.silence => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            State::Closed => Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into())),
            _ => Poll::Ready(Ok(())),
        }
    }

    pub(crate) fn ends(&self, key: u64) -> Pair {
        let nowhere = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
        self.flows.get(&key).map_or(Pair(nowhere, nowhere), |entry| entry.pair)
    }

    pub(crate) fn poll_read(&mut self, key: u64, cx: &Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(entry) = self.flows.get_mut(&key) else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        let Some(handle) = entry.handle else {
            let len = entry.rest.len().min(out.remaining());
            out.put_slice(&entry.rest[..len]);
            entry.rest.drain(..len);
            return Poll::Ready(Ok(()));
        };
        if out.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        // The other end waits for room where it had little left.
        let was_full = socket.recv_queue() * 2 >= socket.recv_capacity();
        let before = out.filled().len();
        // What came may go on at the beginning of the socket's buffer.
        for _ in 0..2 {
            let taken = socket.recv(|data| {
                let len = data.len().min(out.remaining());
                out.put_slice(&data[..len]);
                (len, len)
            });
            match taken {
                Ok(0) => break,
                Ok(_) => {}
                // It is told when there is nothing else to tell.
                Err(_) if out.filled().len() > before => break,
                Err(RecvError::Finished) => return Poll::Ready(Ok(())),
                Err(RecvError::InvalidState) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
        if out.filled().len() == before {
            socket.register_recv_waker(cx.waker());
            return Poll::Pending;
        }
        if was_full {
            self.kick();
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_write(&mut self, key: u64, cx: &Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let Some(entry) = self.flows.get(&key) else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        let Some(handle) = entry.handle.filter(|_| !entry.finished) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        match socket.send_slice(data) {
            Ok(0) if !data.is_empty() => {
                socket.register_send_waker(cx.waker());
                Poll::Pending
            }
            Ok(len) => {
                self.kick();
                Poll::Ready(Ok(len))
            }
            Err(_) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }

    /// Nothing more is written: the end follows what was.
    pub(crate) fn finish(&mut self, key: u64) {
        let Some(entry) = self.flows.get_mut(&key) else { return };
        if std::mem::replace(&mut entry.finished, true) {
            return;
        }
        if let Some(handle) = entry.handle {
            self.close(handle);
            self.finishing.push(key);
            self.kick();
        }
    }

    pub(crate) fn reset(&mut self, key: u64) {
        if let Some(handle) = self.flows.get(&key).and_then(|entry| entry.handle) {
            self.sockets.get_mut::<Socket<'_>>(handle).abort();
            self.kick();
        }
    }

    /// A flow that nobody holds any more.
    pub(crate) fn leave(&mut self, key: u64) {
        let Some(entry) = self.flows.remove(&key) else { return };
        if let Some(handle) = entry.handle {
            self.abandon(handle, entry.pair, false);
            self.kick();
        }
    }
}

fn is_of_link(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
