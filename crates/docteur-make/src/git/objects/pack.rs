//! The entries of a pack, read where they are: gitformat-pack(5).

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use flate2::bufread::ZlibDecoder;
use gix::hash::Kind as Hash;
use gix::objs::Kind;
use gix::odb::pack::data::Entry;

use super::{Bytes, Sink, damaged, delta};

/// The most objects of which each is told by the next: Git makes no longer chains.
pub(super) const DEEPEST: usize = 4095;

pub(super) struct Pack {
    pub(super) file: File,
    pub(super) hash: Hash,
}

impl Pack {
    /// What is said at `offset`, and the bytes that follow it, inflated.
    pub(super) fn entry(&self, offset: u64) -> io::Result<(Entry, impl Read)> {
        let mut reader = BufReader::with_capacity(32 << 10, At { file: &self.file, at: offset });
        let entry = Entry::from_read(&mut reader, offset, self.hash.len_in_bytes())?;
        Ok((entry, ZlibDecoder::new(reader)))
    }

    /// An object of which its entry has all; its kind is known.
    pub(super) fn whole(&self, offset: u64, kind: Kind) -> io::Result<(Bytes, gix::ObjectId)> {
        let (entry, mut bytes) = self.entry(offset)?;
        let mut sink = Sink::keeping(self.hash, kind, entry.decompressed_size)?;
        io::copy(&mut bytes, &mut sink)?;
        finished(sink)
    }

    /// An object that its entry tells by its difference from `base`, which has at most `longest` bytes.
    pub(super) fn differing(
        &self,
        offset: u64,
        kind: Kind,
        base: &Bytes,
        longest: u64,
    ) -> io::Result<(Bytes, gix::ObjectId)> {
        let (_, bytes) = self.entry(offset)?;
        let mut bytes = BufReader::with_capacity(8 << 10, bytes);
        let (of, size) = delta::sizes(&mut bytes)?;
        if of != base.len() {
            return Err(damaged("a delta is one to an object of another length"));
        }
        if size > longest {
            return Err(io::Error::other(format!("an object has {size} bytes, and may have {longest}")));
        }
        let mut sink = Sink::keeping(self.hash, kind, size)?;
        delta::apply(base, &mut bytes, &mut sink)?;
        finished(sink)
    }
}

fn finished(sink: Sink) -> io::Result<(Bytes, gix::ObjectId)> {
    match sink.finish()? {
        (Some(bytes), Some(id)) => Ok((bytes, id)),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// A file from some place on, without a position that others share.
struct At<'a> {
    file: &'a File,
    at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read_at(buffer, self.at)?;
        self.at += len as u64;
        Ok(len)
    }
}
