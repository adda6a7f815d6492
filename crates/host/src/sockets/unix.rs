//! Sockets in the file system.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::BACKLOG;

/// A listening Unix socket, whose file goes when it is dropped.
#[derive(Debug)]
pub(super) struct Unix {
    pub(super) socket: UnixListener,
    /// Its file, with device and inode, where it was made here.
    made: Option<(PathBuf, u64, u64)>,
}

impl Unix {
    /// Listens at `path`. A socket's file that nobody listens at any more is replaced.
    pub(super) fn listen(path: &Path, mode: Option<u32>) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        let address = SockAddr::unix(path)?;
        match socket.bind(&address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_over(path, &address) => {
                fs::remove_file(path)?;
                socket.bind(&address)?;
            }
            bound => bound?,
        }
        // Nobody can connect before `listen`, so nobody does under another mode.
        if let Some(mode) = mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        socket.listen(i32::try_from(BACKLOG).unwrap_or(i32::MAX))?;
        let file = fs::symlink_metadata(path)?;
        let made = Some((path.to_owned(), file.dev(), file.ino()));
        Ok(Self { socket: UnixListener::from_std(socket.into())?, made })
    }

    /// A socket that somebody else made.
    pub(super) fn passed(socket: std::os::unix::net::UnixListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixListener::from_std(socket)?, made: None })
    }
}

/// Whether there is a socket's file and nobody behind it.
fn is_left_over(path: &Path, address: &SockAddr) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = |client: Socket| {
        // A server whose backlog is full is still one: this must not wait for it.
        client.set_nonblocking(true)?;
        client.connect(address)
    };
    let answer = Socket::new(Domain::UNIX, Type::STREAM, None).and_then(refused);
    is_socket && answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

impl Drop for Unix {
    fn drop(&mut self) {
        let Some((path, device, inode)) = &self.made else { return };
        // Another server may have put its own in the place.
        if fs::symlink_metadata(path).is_ok_and(|file| file.dev() == *device && file.ino() == *inode) {
            // What cannot be removed is replaced by the next start.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_left_over_file_is_replaced_and_a_server_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        // A server that was killed leaves its file.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let first = Unix::listen(&path, Some(0o660)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        assert_eq!(Unix::listen(&path, None).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists());
        fs::write(&path, "a file of the user's").unwrap();
        assert_eq!(Unix::listen(&path, None).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(fs::read(&path).unwrap(), b"a file of the user's");
    }
}
