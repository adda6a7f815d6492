//! Bytes that are needed once more: a few are kept in memory, many in a temporary file without a name.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use crate::Error;

/// The most bytes in memory.
const KEPT: usize = 16 << 20;

#[derive(Debug, Default)]
pub(crate) struct Spill {
    /// What the file does not have yet.
    tail: Vec<u8>,
    file: Option<File>,
    /// How many bytes the file has.
    written: u64,
}

impl Spill {
    /// Keeps bytes; gives where they begin.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        let at = self.written + self.tail.len() as u64;
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > KEPT {
            let failed = |error| Error::Io(std::env::temp_dir(), error);
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(tempfile::tempfile().map_err(failed)?),
            };
            file.write_all(&self.tail).map_err(failed)?;
            self.written += self.tail.len() as u64;
            self.tail.clear();
        }
        Ok(at)
    }

    /// Fills `buffer` with the bytes from `at` on. Those that were given together are never split.
    pub(crate) fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let Some(at) = at.checked_sub(self.written) else {
            return self.file.as_ref().ok_or(io::ErrorKind::UnexpectedEof)?.read_exact_at(buffer, at);
        };
        let from = usize::try_from(at).ok().and_then(|at| self.tail.get(at..)?.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_come_back() {
        let mut spill = Spill::default();
        let pieces: Vec<Vec<u8>> = (0..40_u8).map(|n| vec![n; usize::from(n) << 15]).collect();
        let places: Vec<_> = pieces.iter().map(|piece| spill.push(piece).unwrap()).collect();
        assert!(spill.file.is_some() && !spill.tail.is_empty());
        for (piece, at) in pieces.iter().zip(places) {
            let mut read = vec![0; piece.len()];
            spill.read_at(at, &mut read).unwrap();
            assert!(read == *piece);
        }
        assert!(spill.read_at(spill.written, &mut vec![0; spill.tail.len() + 1]).is_err());
    }
}
