//! Git's objects in memory that does not grow with their length: what is long goes to temporary files without a name.
//!
//! gitoxide holds an object whole, and with it what it is told by; so it reads short ones alone.

mod delta;
mod pack;
#[cfg(feature = "remote")]
mod receive;
mod store;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use gix::ObjectId;
use gix::hash::{Hasher, Kind as Hash};
use gix::objs::Kind;

#[cfg(feature = "remote")]
pub(super) use receive::Receiving;
pub(super) use store::object;

/// The longest object that is held in memory.
pub(super) const IN_MEMORY: u64 = 8 << 20;

/// An object's bytes.
pub(super) enum Bytes {
    Memory(Vec<u8>),
    /// And how many.
    File(File, u64),
}

impl Bytes {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, len) => *len,
        }
    }

    /// How many of them are in memory.
    pub(super) fn in_memory(&self) -> usize {
        if let Self::Memory(bytes) = self { bytes.len() } else { 0 }
    }

    /// Fills `buffer` with those from `offset` on.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => {
                let from = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)?.get(..buffer.len()));
                buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Self::File(file, _) => file.read_exact_at(buffer, offset),
        }
    }
}

/// Takes an object's bytes as they come, and finds its id.
struct Sink {
    target: Target,
    hasher: Option<Hasher>,
    /// How many bytes are still to come.
    left: u64,
    size: u64,
}

enum Target {
    Nothing,
    Memory(Vec<u8>),
    File(BufWriter<File>),
}

impl Sink {
    /// For an object of `size` bytes that are kept.
    fn keeping(hash: Hash, kind: Kind, size: u64) -> io::Result<Self> {
        let target = if size <= IN_MEMORY {
            // What a size says costs nothing until the bytes are there.
            Target::Memory(Vec::new())
        } else {
            Target::File(BufWriter::with_capacity(1 << 18, tempfile::tempfile()?))
        };
        Ok(Self { target, ..Self::hashing(hash, kind, size) })
    }

    /// For one whose id alone is wanted.
    fn hashing(hash: Hash, kind: Kind, size: u64) -> Self {
        let mut hasher = gix::hash::hasher(hash);
        hasher.update(&gix::objs::encode::loose_header(kind, size));
        Self { hasher: Some(hasher), ..Self::counting(size) }
    }

    /// For bytes that only have to be as many as was said.
    fn counting(size: u64) -> Self {
        Self { target: Target::Nothing, hasher: None, left: size, size }
    }

    /// The bytes, if they are kept, and the id.
    ///
    /// # Errors
    /// If fewer came than were said to.
    fn finish(self) -> io::Result<(Option<Bytes>, Option<ObjectId>)> {
        if self.left > 0 {
            return Err(damaged("an object ends too early"));
        }
        let id = self.hasher.map(Hasher::try_finalize).transpose().map_err(told)?;
        let bytes = match self.target {
            Target::Nothing => None,
            Target::Memory(bytes) => Some(Bytes::Memory(bytes)),
            Target::File(file) => {
                Some(Bytes::File(file.into_inner().map_err(io::IntoInnerError::into_error)?, self.size))
            }
        };
        Ok((bytes, id))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| damaged("an object is longer than it is said to be"))?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        match &mut self.target {
            Target::Nothing => {}
            Target::Memory(all) => all.extend_from_slice(bytes),
            Target::File(file) => file.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn told(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}
