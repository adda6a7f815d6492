//! A block device in a file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use device::Block;

/// A file as a block device. It is locked for as long as it is open, so that two processes never write one store.
#[derive(Debug)]
pub struct FileBlock {
    file: File,
    is_new: bool,
}

impl FileBlock {
    /// Opens `path`, or makes it, readable by its owner alone.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] where another process has it open; otherwise what the system reports.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let (file, is_new) = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (options.create_new(true).mode(0o600).open(path)?, true)
            }
            opened => (opened?, false),
        };
        match file.try_lock() {
            Ok(()) => Ok(Self { file, is_new }),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::new(io::ErrorKind::ResourceBusy, "in use by another process"))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether opening it made the file.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }
}

impl Block for FileBlock {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn room(&self) -> io::Result<Option<u64>> {
        let system = rustix::fs::fstatvfs(&self.file)?;
        Ok(Some(system.f_bavail.saturating_mul(system.f_frsize)))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_bytes_and_grows_with_zeros() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("block");
        let block = FileBlock::open(&path).unwrap();
        assert!(block.is_empty().unwrap() && block.room().unwrap().is_some() && block.is_new());
        block.set_len(8).unwrap();
        block.write(2, b"abc").unwrap();
        block.flush().unwrap();
        drop(block);
        let block = FileBlock::open(&path).unwrap();
        assert!(!block.is_new());
        let mut out = [1; 8];
        block.read(0, &mut out).unwrap();
        assert_eq!(&out, b"\0\0abc\0\0\0");
        assert_eq!(block.read(1, &mut out).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_second_opening_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("block");
        let first = FileBlock::open(&path).unwrap();
        assert_eq!(FileBlock::open(&path).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(first);
        FileBlock::open(&path).unwrap();
    }
}
