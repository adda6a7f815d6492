//! Finding a delimiter in a chunk.
//!
//! A substring search is as fast as memory, until a body is full of lines that begin like a delimiter: each of them stops
//! it. So each window of a chunk begins with a search for CR LF `--` in a short sample. Where that stops too often, the
//! window is looked through block by block for three of the delimiter's bytes at their distances, its first, its middle and
//! its last, which the compiler vectorises: bodies made to look like a delimiter again and again are passed over several
//! times as fast as the substring search does.

use memchr::memmem::Finder;

/// Searches for CR LF `--` boundary. That a boundary holds no CR makes it simple: a match can only begin at a CR, no match
/// overlaps another, and at most one of a chunk's ends can be the beginning of one.
#[derive(Debug)]
pub(crate) struct Scanner {
    start: Finder<'static>,
    whole: Finder<'static>,
}

/// Bytes that are looked at together.
const BLOCK: usize = 64;
const WINDOW: usize = 32 << 10;
const SAMPLE: usize = 512;
/// A window whose samples stop more often has too many false starts.
const FEW: usize = 4;

impl Scanner {
    pub(crate) fn new(delimiter: &[u8]) -> Self {
        Self { start: Finder::new(b"\r\n--"), whole: Finder::new(delimiter).into_owned() }
    }

    /// The first place where the whole delimiter stands, which is the one it was made for.
    pub(crate) fn find(&self, delimiter: &[u8], chunk: &[u8]) -> Option<usize> {
        let (mut from, mut stops) = (0, 0);
        loop {
            let sample = &chunk[from..chunk.len().min(from + SAMPLE)];
            let stop = self.start.find(sample).map(|at| from + at);
            if let Some(at) = stop {
                if chunk[at..].starts_with(delimiter) {
                    return Some(at);
                }
                from = at + 4;
                stops += 1;
                if stops < FEW {
                    continue;
                }
            }
            let end = chunk.len().min(from + WINDOW);
            let window = &chunk[from..end];
            let found = if stop.is_some() { dense(delimiter, window) } else { self.whole.find(window) };
            if let Some(at) = found {
                return Some(from + at);
            }
            if end == chunk.len() {
                return None;
            }
            (from, stops) = (end - (delimiter.len() - 1), 0);
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

/// The first place where the whole delimiter stands, at a rate that false starts do not change.
fn dense(delimiter: &[u8], chunk: &[u8]) -> Option<usize> {
    let mut from = 0;
    let (middle, last) = (delimiter.len() / 2 + 1, delimiter.len() - 1);
    let probes = [delimiter[0], delimiter[middle], delimiter[last]];
    while let Some(ends) = chunk.get(from + last..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        let places = chunk[from..].first_chunk::<BLOCK>().zip(chunk[from + middle..].first_chunk::<BLOCK>());
        let Some((starts, middles)) = places else { break };
        let mut any = 0;
        for at in 0..BLOCK {
            any |= u8::from(starts[at] == probes[0])
                & u8::from(middles[at] == probes[1])
                & u8::from(ends[at] == probes[2]);
        }
        if any != 0
            && let Some(at) = sparse(delimiter, &chunk[..from + BLOCK + last], from)
        {
            return Some(at);
        }
        from += BLOCK;
    }
    sparse(delimiter, chunk, from)
}

/// The same, one CR after the other.
fn sparse(delimiter: &[u8], chunk: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\r', &chunk[from..]).map(|at| from + at).find(|&at| chunk[at..].starts_with(delimiter))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn naive(delimiter: &[u8], chunk: &[u8]) -> Option<usize> {
        chunk.windows(delimiter.len()).position(|window| window == delimiter)
    }

    /// Bodies of pieces of the delimiter, so that every probe is met by chance.
    #[test]
    fn finds_what_a_plain_search_finds() {
        let mut state = 1_u64;
        let mut below = move |end: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 20) as usize % end
        };
        for round in 0..600 {
            let delimiter = [b"\r\n--".as_slice(), &b"abcabcabcabcabcabc"[..1 + below(18)]].concat();
            let mut chunk = Vec::new();
            while chunk.len() < round {
                let to = 1 + below(delimiter.len());
                let from = if below(3) == 0 { below(to) } else { 0 };
                chunk
                    .extend_from_slice(&delimiter[from..if below(40) == 0 { to } else { to.min(delimiter.len() - 1) }]);
            }
            assert_eq!(Scanner::new(&delimiter).find(&delimiter, &chunk), naive(&delimiter, &chunk));
            assert_eq!(dense(&delimiter, &chunk), naive(&delimiter, &chunk));
            // Past a window's end.
            chunk.splice(..0, b"\r\n-".repeat(below(2) * 11_000));
            assert_eq!(Scanner::new(&delimiter).find(&delimiter, &chunk), naive(&delimiter, &chunk));
            let partial = (0..delimiter.len()).rev().find(|&n| chunk.ends_with(&delimiter[..n]));
            assert_eq!(Some(Scanner::partial(&delimiter, &chunk)), partial);
        }
    }
}
