//! Where an image's bytes come from.

use core::convert::Infallible;

/// Gives byte ranges of an image: memory, a file, a block device, a server.
pub trait Source {
    /// Why a range could not be had.
    type Error;

    /// The image's length in bytes. It does not change.
    fn len(&self) -> u64;

    /// Whether there is nothing at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` with the bytes at `offset`. The reader only asks for ranges that end within [`Source::len`].
    ///
    /// # Errors
    /// Whatever the source reports. The buffer's content is of no use then.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Self::Error>;
}

/// An image in memory.
#[derive(Clone, Copy, Debug)]
pub struct Memory<B>(pub B);

impl<B: AsRef<[u8]>> Source for Memory<B> {
    type Error = Infallible;

    fn len(&self) -> u64 {
        // A slice's length fits: usize is at most 64 bits on every target of Rust.
        self.0.as_ref().len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Infallible> {
        let from = usize::try_from(offset).ok().and_then(|from| self.0.as_ref().get(from..)?.get(..buffer.len()));
        if let Some(from) = from {
            buffer.copy_from_slice(from);
        }
        Ok(())
    }
}

impl<S: Source + ?Sized> Source for &S {
    type Error = S::Error;

    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), S::Error> {
        (**self).read_at(offset, buffer)
    }
}

/// An image in a file, of which the length was taken when it was opened.
#[cfg(all(feature = "std", unix))]
#[derive(Debug)]
pub struct FileSource {
    file: std::fs::File,
    len: u64,
}

#[cfg(all(feature = "std", unix))]
impl FileSource {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// The system's; [`InvalidInput`](std::io::ErrorKind::InvalidInput) if it is something else than a file: to open a pipe would wait for
    /// somebody who writes into it.
    pub fn open(path: impl AsRef<std::path::Path>) -> std::io::Result<Self> {
        let path = path.as_ref();
        if std::fs::metadata(path)?.is_file() {
            return Self::new(std::fs::File::open(path)?);
        }
        Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "an image is a file, and this is none"))
    }

    /// Takes an open file.
    ///
    /// # Errors
    /// The system's, if its length cannot be had.
    pub fn new(file: std::fs::File) -> std::io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file, len })
    }
}

#[cfg(all(feature = "std", unix))]
impl Source for FileSource {
    type Error = std::io::Error;

    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset)
    }
}
