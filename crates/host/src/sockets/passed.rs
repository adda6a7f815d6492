//! Sockets that a supervisor such as systemd listens with before it starts the process (`sd_listen_fds(3)`).

use std::fmt;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsFd;

use listenfd::ListenFd;
use rustix::net::sockopt;

use super::unix::Unix;
use super::{Kind, Listener};

/// Sockets not yet taken, each that listens with its name.
pub(super) struct Passed {
    sockets: ListenFd,
    names: Vec<Option<String>>,
    /// Those for UDP, which are found by their addresses.
    datagrams: Vec<UdpSocket>,
}

impl Passed {
    /// What the environment tells of.
    pub(super) fn from_env() -> Self {
        // Read first: the names are taken out of the environment with the sockets.
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut sockets = ListenFd::from_env();
        let mut names: Vec<_> = names.split(':').map(|name| Some(name.to_owned())).collect();
        names.resize(sockets.len(), Some(String::new()));
        let mut datagrams = Vec::new();
        for (i, name) in names.iter_mut().enumerate() {
            // A socket that is of another kind stays where it is.
            if let Ok(Some(socket)) = sockets.take_udp_socket(i) {
                *name = None;
                datagrams.push(socket);
            }
        }
        Self { sockets, names, datagrams }
    }

    /// Takes the UDP socket at this address.
    #[cfg(feature = "h3")]
    pub(super) fn take_datagrams(&mut self, address: std::net::SocketAddr) -> Option<UdpSocket> {
        let at = self.datagrams.iter().position(|socket| socket.local_addr().is_ok_and(|own| own == address))?;
        Some(self.datagrams.swap_remove(at))
    }

    /// Takes the sockets of that name, or all that are left.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there are none; what the system says of one that cannot be listened with.
    pub(super) fn take(&mut self, name: Option<&str>) -> io::Result<Vec<Listener>> {
        let mut taken = Vec::new();
        for (i, own) in self.names.iter_mut().enumerate() {
            if own.is_none() || name.is_some_and(|name| own.as_deref() != Some(name)) {
                continue;
            }
            *own = None;
            taken.push(listener(&mut self.sockets, i)?);
        }
        if taken.is_empty() {
            let what = name.map(|name| format!(" by the name {name}")).unwrap_or_default();
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("no socket was passed{what}")));
        }
        Ok(taken)
    }
}

impl fmt::Debug for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Passed");
        out.field("names", &self.names).field("datagrams", &self.datagrams).finish_non_exhaustive()
    }
}

fn listener(sockets: &mut ListenFd, at: usize) -> io::Result<Listener> {
    // A socket that is of the other kind stays where it is.
    if let Ok(Some(socket)) = sockets.take_unix_listener(at) {
        listens(&socket)?;
        return Unix::passed(socket).map(|unix| Listener(Kind::Unix(unix)));
    }
    match sockets.take_tcp_listener(at)? {
        Some(socket) => listens(&socket).and_then(|()| Listener::passed(socket)),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

/// A client's connection, as `Accept=yes` passes it, has the same type as a socket that listens, but nothing comes of it for ever.
fn listens(socket: impl AsFd) -> io::Result<()> {
    match sockopt::socket_acceptconn(socket)? {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket that was passed does not listen")),
    }
}
