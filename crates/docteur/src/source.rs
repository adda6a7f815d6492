//! Where an image's bytes come from.

use core::convert::Infallible;

/// Gives byte ranges of an image: memory, a file, a block device.
pub trait Source {
    /// Bytes of a range, owned or borrowed from what outlives the source's borrow.
    type Bytes: AsRef<[u8]>;
    /// Why a range could not be had.
    type Error;

    /// The image's length in bytes. It does not change.
    fn len(&self) -> u64;

    /// Whether there is nothing at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `len` bytes at `offset`. The reader only asks for ranges that end within [`Source::len`]; an answer of
    /// another length is treated as damage.
    ///
    /// # Errors
    /// Whatever the source reports.
    fn range(&self, offset: u64, len: usize) -> Result<Self::Bytes, Self::Error>;
}

/// An image in memory: ranges are borrowed, nothing is copied.
impl<'a> Source for &'a [u8] {
    type Bytes = &'a [u8];
    type Error = Infallible;

    fn len(&self) -> u64 {
        // A slice's length fits: usize is at most 64 bits on every target of Rust.
        <[u8]>::len(self) as u64
    }

    fn range(&self, offset: u64, len: usize) -> Result<&'a [u8], Infallible> {
        let bytes: &'a [u8] = self;
        let range = usize::try_from(offset).ok().and_then(|from| bytes.get(from..from.checked_add(len)?));
        Ok(range.unwrap_or_default())
    }
}
