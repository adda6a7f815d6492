//! Where the fields of a header block lie, found as its bytes come.

use alloc::vec::Vec;

use crate::error::{Error, ErrorKind, Limit};
use crate::limits::Limits;
use crate::value::{Places, is_token, trim};

/// Where a field lies in its block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    start: usize,
    colon: usize,
    end: usize,
    folded: bool,
}

impl Place {
    pub(super) fn name<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        block.get(self.start..self.colon).unwrap_or_default()
    }

    pub(super) fn value<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        trim(block.get(self.colon + 1..self.end).unwrap_or_default())
    }
}

/// What is known of a header block. Its vectors are used again for each part.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    pub(super) places: Vec<Place>,
    pub(super) disposition: Option<usize>,
    pub(super) content_type: Option<usize>,
    pub(super) parameters: Places,
    /// Where in the form the part's body begins.
    pub(super) body_at: u64,
    /// Where the current line starts, and how far it has been looked through.
    line: usize,
    seen: usize,
}

impl Index {
    pub(crate) fn clear(&mut self) {
        self.places.clear();
        (self.disposition, self.content_type) = (None, None);
        (self.line, self.seen) = (0, 0);
    }

    /// Goes on through `block`, which begins with the bytes of the last call: the block's length with its blank line, once
    /// that has come. Every byte is looked at once, so that a header that comes byte by byte costs no more.
    pub(crate) fn scan(&mut self, block: &[u8], limits: &Limits) -> Result<Option<usize>, Error> {
        let most = usize::try_from(limits.header_bytes).unwrap_or(usize::MAX);
        let seen = &block[..block.len().min(most)];
        loop {
            let Some(at) = memchr::memchr3(b'\r', b'\n', 0, &seen[self.seen..]).map(|n| self.seen + n) else {
                self.seen = seen.len();
                break;
            };
            self.seen = at;
            match (seen[at], seen.get(at + 1)) {
                (b'\r', Some(b'\n')) => {}
                (b'\r', None) => break,
                (0, _) => return Err(malformed("a NUL")),
                (b'\n', _) => return Err(malformed("a line feed without a carriage return")),
                _ => return Err(malformed("a carriage return without a line feed")),
            }
            if at == self.line {
                return Ok(Some(at + 2));
            }
            self.end_line(seen, at, limits)?;
            self.seen = at + 2;
            self.line = at + 2;
        }
        if seen.len() == most {
            return Err(Error::limit(Limit::HeaderBytes, limits.header_bytes));
        }
        Ok(None)
    }

    fn end_line(&mut self, block: &[u8], end: usize, limits: &Limits) -> Result<(), Error> {
        let line = &block[self.line..end];
        if matches!(line[0], b' ' | b'\t') {
            let last = self.places.last_mut().ok_or_else(|| malformed("it begins with a continuation line"))?;
            (last.end, last.folded) = (end, true);
            return Ok(());
        }
        let name = line.iter().position(|&b| !is_token(b)).unwrap_or(line.len());
        match line.get(name) {
            Some(b':') if name > 0 => {}
            Some(b':') => return Err(malformed("a field without a name")),
            Some(b' ' | b'\t') => return Err(malformed("a space in or behind a field's name")),
            Some(_) => return Err(malformed("a field's name that is no token")),
            None => return Err(malformed("a line without a colon")),
        }
        if self.places.len() as u64 >= limits.headers {
            return Err(Error::limit(Limit::Headers, limits.headers));
        }
        self.places.push(Place { start: self.line, colon: self.line + name, end, folded: false });
        Ok(())
    }

    /// Bytes on the heap.
    #[cfg(feature = "stream")]
    pub(crate) fn memory(&self) -> usize {
        self.places.capacity() * size_of::<Place>()
    }

    /// How much of the block has been looked through.
    pub(crate) fn seen(&self) -> usize {
        self.seen
    }

    /// Whether a value spans lines, so that [`unfold`](Self::unfold) is needed before [`finish`](Self::finish).
    pub(crate) fn folded(&self) -> bool {
        self.places.iter().any(|p| p.folded)
    }

    /// Writes the fields to `out` with each fold (CR LF and the spaces and tabs behind it) as one space.
    pub(crate) fn unfold(&mut self, block: &[u8], out: &mut Vec<u8>) {
        for place in &mut self.places {
            let from = out.len();
            let mut rest = &block[place.start..place.end];
            // A bare CR or LF has been refused, so each CR here begins a fold.
            while let Some(at) = memchr::memchr(b'\r', rest) {
                out.extend_from_slice(&rest[..at]);
                out.push(b' ');
                rest = &rest[at + 2..];
                while let [b' ' | b'\t', after @ ..] = rest {
                    rest = after;
                }
            }
            out.extend_from_slice(rest);
            *place = Place { start: from, colon: from + place.colon - place.start, end: out.len(), folded: false };
        }
    }

    /// Reads the fields that matter, of a part whose body begins at `body_at`.
    pub(crate) fn finish(&mut self, block: &[u8], body_at: u64, limits: &Limits) -> Result<(), Error> {
        self.body_at = body_at;
        for (at, place) in self.places.iter().enumerate() {
            let name = place.name(block);
            if name.len() == 19 && name.eq_ignore_ascii_case(b"content-disposition") {
                if self.disposition.replace(at).is_some() {
                    return Err(malformed("two Content-Dispositions"));
                }
                self.parameters = Places::parse(place.value(block)).map_err(malformed)?;
            } else if name.len() == 12 && name.eq_ignore_ascii_case(b"content-type") {
                self.content_type.get_or_insert(at);
            }
        }
        if self.disposition.is_some() {
            let (name, filename) = self.parameters.lengths();
            if name as u64 > limits.name_bytes {
                return Err(Error::limit(Limit::NameBytes, limits.name_bytes));
            }
            if filename as u64 > limits.filename_bytes {
                return Err(Error::limit(Limit::FilenameBytes, limits.filename_bytes));
            }
        }
        Ok(())
    }
}

fn malformed(how: &'static str) -> Error {
    Error::new(ErrorKind::MalformedHeader(how))
}
