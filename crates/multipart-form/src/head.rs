//! A part's header (RFC 5322 fields within RFC 2046 section 5.1): read in any split, validated, handed out without a copy.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::error::{Error, ErrorKind, Limit};
use crate::limits::Limits;
use crate::value::{ContentType, Disposition, Places, TransferEncoding, is_token, lossy, trim};

/// A part's header: its fields in wire order, and the typed values of those that matter.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    block: &'a [u8],
    index: &'a Index,
}

/// One header field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    name: &'a [u8],
    value: &'a [u8],
}

/// The fields of a [`Head`], in wire order, repeated ones kept.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    block: &'a [u8],
    places: core::slice::Iter<'a, Place>,
}

impl<'a> Head<'a> {
    /// The fields in wire order.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        Fields { block: self.block, places: self.index.places.iter() }
    }

    /// The first field of this name, whatever its case: the value's bytes, without spaces around it, folds as one space.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields().find(|f| f.name.eq_ignore_ascii_case(name.as_bytes())).map(|f| f.value)
    }

    /// Content-Disposition.
    #[must_use]
    pub fn disposition(&self) -> Option<Disposition<'a>> {
        let at = self.index.disposition?;
        Some(Disposition::read(self.value(at), &self.index.parameters))
    }

    /// The field's name as text, with U+FFFD for what is not UTF-8; `None` where there is none.
    #[must_use]
    pub fn name(&self) -> Option<Cow<'a, str>> {
        self.name_raw().map(lossy)
    }

    /// The field's name as bytes, unescaped.
    #[must_use]
    pub fn name_raw(&self) -> Option<Cow<'a, [u8]>> {
        self.disposition()?.name()
    }

    /// The file name as text: `Some("")` where it was sent empty, as browsers do for a file input without a file. It is a
    /// stranger's text and may be a path: see [`base_name`](crate::base_name).
    #[must_use]
    pub fn filename(&self) -> Option<Cow<'a, str>> {
        self.disposition()?.filename()
    }

    /// Content-Type's value, as sent.
    #[must_use]
    pub fn content_type_raw(&self) -> Option<&'a [u8]> {
        self.index.content_type.map(|at| self.value(at))
    }

    /// Content-Type, where there is one and it has a type and a subtype.
    #[must_use]
    pub fn content_type(&self) -> Option<ContentType<'a>> {
        ContentType::parse(self.content_type_raw()?)
    }

    /// Content-Transfer-Encoding; [`TransferEncoding::Identity`] where it is missing.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownEncoding`].
    pub fn transfer_encoding(&self) -> Result<TransferEncoding, Error> {
        match self.field("content-transfer-encoding") {
            Some(value) => TransferEncoding::parse(value),
            None => Ok(TransferEncoding::Identity),
        }
    }

    pub(crate) fn new(block: &'a [u8], index: &'a Index) -> Self {
        Self { block, index }
    }

    fn value(&self, at: usize) -> &'a [u8] {
        self.index.places.get(at).map(|place| place.value(self.block)).unwrap_or_default()
    }
}

impl fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fields()).finish()
    }
}

impl<'a> Field<'a> {
    /// The name, as sent: a token.
    #[must_use]
    pub fn name(&self) -> &'a str {
        // Only tokens get here, which are ASCII.
        core::str::from_utf8(self.name).unwrap_or_default()
    }

    /// The value's bytes, without spaces around it, folds as one space.
    #[must_use]
    pub fn value(&self) -> &'a [u8] {
        self.value
    }

    /// The value as text, with U+FFFD for what is not UTF-8.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.value)
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.name(), self.text())
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        self.places.next().map(|p| Field { name: p.name(self.block), value: p.value(self.block) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.places.size_hint()
    }
}

impl ExactSizeIterator for Fields<'_> {}

/// Where a field lies in its block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    start: usize,
    colon: usize,
    end: usize,
    folded: bool,
}

impl Place {
    fn name<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        block.get(self.start..self.colon).unwrap_or_default()
    }

    fn value<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        trim(block.get(self.colon + 1..self.end).unwrap_or_default())
    }
}

/// What is known of a header block. Its vectors are used again for each part.
#[derive(Debug, Default)]
pub(crate) struct Index {
    places: Vec<Place>,
    disposition: Option<usize>,
    content_type: Option<usize>,
    parameters: Places,
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

    /// Reads the fields that matter.
    pub(crate) fn finish(&mut self, block: &[u8], limits: &Limits) -> Result<(), Error> {
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
