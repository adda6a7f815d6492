//! Finding a delimiter in a chunk.

use memchr::memmem::Finder;

/// Searches for CR LF `--` boundary. That a boundary holds no CR makes it simple: a match can only begin at a CR, no match
/// overlaps another, and at most one of a chunk's ends can be the beginning of one.
#[derive(Debug)]
pub(crate) struct Scanner {
    finder: Finder<'static>,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Self { finder: Finder::new(b"\r\n--") }
    }

    /// The first place where the whole delimiter stands.
    pub(crate) fn find(&self, delimiter: &[u8], chunk: &[u8]) -> Option<usize> {
        let mut from = 0;
        loop {
            from += self.finder.find(&chunk[from..])?;
            if chunk[from..].starts_with(delimiter) {
                return Some(from);
            }
            from += 4;
        }
    }

    /// How many bytes at the end of `chunk` are the beginning of a delimiter.
    pub(crate) fn partial(delimiter: &[u8], chunk: &[u8]) -> usize {
        let from = chunk.len() - chunk.len().min(delimiter.len() - 1);
        match memchr::memrchr(b'\r', &chunk[from..]) {
            Some(at) if delimiter.starts_with(&chunk[from + at..]) => chunk.len() - from - at,
            _ => 0,
        }
    }
}
