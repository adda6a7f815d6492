//! Paths below a folder, where no symbolic link is followed, whoever puts one there meanwhile.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// A folder that is open. A path below it is names joined by `/`, of any length, and is gone along folder by folder.
#[derive(Debug)]
pub(crate) struct Below(OwnedFd);

/// A folder on the way.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Below {
    /// A symbolic link to `folder` is followed, and none below it.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self(openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// The folder at `path`.
    ///
    /// # Errors
    /// Of the system; `NotADirectory` where a symbolic link is on the way.
    pub(crate) fn folder(&self, path: &[u8]) -> io::Result<Parent<'_>> {
        let mut parent = Parent::Root(self.0.as_fd());
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            parent = Parent::Below(openat(&parent, OsStr::from_bytes(name), FOLDER, Mode::empty())?);
        }
        Ok(parent)
    }

    /// The plain file at `path`, to be read. Something else that is there now does not make this wait.
    ///
    /// # Errors
    /// Of the system; where a symbolic link is on the way or at its end it is [`ELOOP`](Errno::LOOP) or `NotADirectory`.
    pub(crate) fn file(&self, path: &[u8]) -> io::Result<File> {
        let (folder, name) = split(path);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(File::from(openat(self.folder(folder)?, OsStr::from_bytes(name), flags, Mode::empty())?))
    }
}

/// The folder that a path is in, and the name that it has there.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(cut) => (&path[..cut], &path[cut + 1..]),
        None => (b"", path),
    }
}

/// Whether this is what the system says where a folder or file is a symbolic link, or something else, by now.
pub(crate) fn is_other(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO))
}

/// An open folder that others are in.
#[derive(Debug)]
pub(crate) enum Parent<'a> {
    /// The one that all is below.
    Root(BorrowedFd<'a>),
    /// One below it.
    Below(OwnedFd),
}

impl Parent<'_> {
    /// What the system takes for a name in it, as long as this lives; for the calls that take paths alone.
    pub(crate) fn taken(&self, name: &[u8]) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.as_fd().as_raw_fd())).join(OsStr::from_bytes(name))
    }
}

impl AsFd for Parent<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(folder) => *folder,
            Self::Below(folder) => folder.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_is_followed() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir_all(at("root/a/b")).unwrap();
        fs::create_dir(at("other")).unwrap();
        for file in ["root/a/b/file", "other/file"] {
            fs::write(at(file), file).unwrap();
        }
        symlink(at("other"), at("root/a/away")).unwrap();
        symlink("file", at("root/a/b/link")).unwrap();
        symlink(at("root"), at("to-root")).unwrap();
        rustix::fs::mknodat(CWD, at("root/pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        for root in ["root", "to-root"] {
            let below = Below::new(&at(root)).unwrap();
            assert_eq!(io::read_to_string(below.file(b"a/b/file").unwrap()).unwrap(), "root/a/b/file");
            assert!(below.folder(b"").is_ok() && below.folder(b"a/b").is_ok());
            for other in [&b"a/away"[..], b"a/b/link", b"a/b/file"] {
                assert!(is_other(&below.folder(other).unwrap_err()));
            }
            assert!(
                is_other(&below.file(b"a/away/file").unwrap_err()) && is_other(&below.file(b"a/b/link").unwrap_err())
            );
            // It does not wait for who writes.
            assert!(!below.file(b"pipe").unwrap().metadata().unwrap().is_file());
        }
    }
}
