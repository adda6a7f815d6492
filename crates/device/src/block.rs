//! A device that keeps bytes: a file on a host, virtio-blk in the unikernel.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// An array of bytes that survives the program; it can grow, unless it is fixed. Calls block; whoever must not wait calls from another thread.
pub trait Block: Debug + Send + Sync + 'static {
    /// The device's length in bytes.
    ///
    /// # Errors
    /// Whatever the device reports.
    fn len(&self) -> io::Result<u64>;

    /// Whether the device holds no byte.
    ///
    /// # Errors
    /// As [`Block::len`].
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Whether the device has the length it has, as a disk does: nothing makes it longer or shorter.
    fn is_fixed(&self) -> bool {
        false
    }

    /// How many bytes there is room for beside what is held; `None` where that is not known. Others may take it meanwhile.
    ///
    /// # Errors
    /// Whatever the device reports.
    fn room(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// Makes the device `len` bytes long; new bytes read as zero. They need take no room before they are written: a
    /// length is asked for generously.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] where there is no room, and [`io::ErrorKind::Unsupported`] where a fixed device would be
    /// shorter.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if that passes the end.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of `data` at `offset`. It is durable only after the next [`Block::flush`]; until then a loss of
    /// power may keep it, drop it, or keep a part of it.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] where there is no room. A device may tell only at the next flush that a write failed; what is read
    /// or written before that fails as well.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Returns once everything written so far is durable.
    ///
    /// # Errors
    /// Whatever the device reports; what was written since the last flush is then in doubt.
    fn flush(&self) -> io::Result<()>;
}

impl<T: Block + ?Sized> Block for Arc<T> {
    fn len(&self) -> io::Result<u64> {
        (**self).len()
    }

    fn is_fixed(&self) -> bool {
        (**self).is_fixed()
    }

    fn room(&self) -> io::Result<Option<u64>> {
        (**self).room()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        (**self).set_len(len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        (**self).read(offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        (**self).write(offset, data)
    }

    fn flush(&self) -> io::Result<()> {
        (**self).flush()
    }
}
