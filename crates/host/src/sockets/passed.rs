//! Sockets that a supervisor such as systemd listens with before it starts the process (`sd_listen_fds(3)`).

use std::fmt;
use std::io;

use listenfd::ListenFd;

use super::unix::Unix;
use super::{Kind, Listener};

/// Sockets not yet taken, each with its name.
pub(super) struct Passed {
    sockets: ListenFd,
    names: Vec<Option<String>>,
}

impl Passed {
    /// What the environment tells of.
    pub(super) fn from_env() -> Self {
        // Read first: the names are taken out of the environment with the sockets.
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let sockets = ListenFd::from_env();
        let mut names: Vec<_> = names.split(':').map(|name| Some(name.to_owned())).collect();
        names.resize(sockets.len(), Some(String::new()));
        Self { sockets, names }
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
        f.debug_struct("Passed").field("names", &self.names).finish_non_exhaustive()
    }
}

fn listener(sockets: &mut ListenFd, at: usize) -> io::Result<Listener> {
    // A socket that is of the other kind stays where it is.
    if let Ok(Some(socket)) = sockets.take_unix_listener(at) {
        return Unix::passed(socket).map(|unix| Listener(Kind::Unix(unix)));
    }
    match sockets.take_tcp_listener(at)? {
        Some(socket) => Listener::passed(socket),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}
