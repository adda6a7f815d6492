//! What can be wrong with a form, where, and which limit it met.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

#[cfg(feature = "std")]
use crate::head::Head;

/// Bytes of a field's name that an error tells.
pub(crate) const FIELD_BYTES: usize = 64;

/// A form that cannot be read or written. It names the fault, the offset in the body, the field and the limit.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    offset: Option<u64>,
    field: Option<String>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The Content-Type is not `multipart/*`.
    NotMultipart,
    /// The Content-Type has no boundary parameter, or an empty one.
    NoBoundary,
    /// The boundary has characters, a length or an end that RFC 2046 does not allow, or there are several.
    BadBoundary,
    /// The body ended before its close delimiter.
    UnexpectedEof,
    /// A delimiter line that cannot be one, or a close delimiter before any part though there was text before it.
    MalformedDelimiter,
    /// A part's header breaks its grammar; the text says how.
    MalformedHeader(&'static str),
    /// A limit was met.
    Limit {
        /// Which one.
        which: Limit,
        /// Its value.
        value: u64,
    },
    /// The field is not one of the allowed ones.
    UnknownField,
    /// Form layer: a part without a Content-Disposition.
    MissingDisposition,
    /// Form layer: a part without a name.
    MissingName,
    /// Form layer: the body, or a part's disposition, is not `form-data`.
    NotFormData,
    /// Decoding: a Content-Transfer-Encoding that nobody knows.
    UnknownEncoding,
    /// Decoding: bytes that the Content-Transfer-Encoding does not allow.
    BadEncoding,
    /// Encoding: a header name or value that must not be written, as it holds CR, LF or NUL or is no token.
    UnsafeHeader,
    /// Encoding: parts were begun and ended in an order that makes no form.
    Misuse(&'static str),
}

/// The limits there are; see [`Limits`](crate::Limits) for their units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Parts in all.
    Parts,
    /// Header fields of a part.
    Headers,
    /// Bytes of a part's header.
    HeaderBytes,
    /// Bytes of a part's body.
    PartBytes,
    /// Bytes of the whole body.
    BodyBytes,
    /// Bytes before the first delimiter.
    PreambleBytes,
    /// Multiparts inside each other.
    Depth,
    /// Bytes of a field's name.
    NameBytes,
    /// Bytes of a file name.
    FilenameBytes,
    /// Bytes that were to be collected in memory.
    BufferBytes,
}

impl Limit {
    /// The limit's stable name, for programs: that of the method of [`Limits`](crate::Limits) that sets it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parts => "parts",
            Self::Headers => "headers",
            Self::HeaderBytes => "header_bytes",
            Self::PartBytes => "part_bytes",
            Self::BodyBytes => "body_bytes",
            Self::PreambleBytes => "preamble_bytes",
            Self::Depth => "depth",
            Self::NameBytes => "name_bytes",
            Self::FilenameBytes => "filename_bytes",
            Self::BufferBytes => "buffer_bytes",
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner { kind, offset: None, field: None }))
    }

    pub(crate) fn limit(which: Limit, value: u64) -> Self {
        Self::new(ErrorKind::Limit { which, value })
    }

    /// A part that has more than `limit` bytes to be collected.
    #[cfg(feature = "std")]
    pub(crate) fn buffer(head: &Head<'_>, limit: usize) -> Self {
        let error = Self::limit(Limit::BufferBytes, limit as u64).at(head.body_offset().saturating_add(limit as u64));
        error.of(&head.name_raw().unwrap_or_default())
    }

    pub(crate) fn at(mut self, offset: u64) -> Self {
        self.0.offset.get_or_insert(offset);
        self
    }

    pub(crate) fn of(mut self, field: &[u8]) -> Self {
        if self.0.field.is_none() && !field.is_empty() {
            self.0.field = Some(String::from_utf8_lossy(&field[..field.len().min(FIELD_BYTES)]).into_owned());
        }
        self
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Where in the form the fault was met, in bytes from its first; `None` for a fault that is not in a form. It is the same
    /// however the form was cut.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// The name of the field that was being read, where it is known (its first 64 bytes).
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// A stable name of the fault, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// The HTTP status that tells a client of it: 400, 413 or 415; 500 for a caller's own mistakes.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.0.kind {
            ErrorKind::NotMultipart | ErrorKind::NotFormData | ErrorKind::UnknownEncoding => 415,
            ErrorKind::Limit { which: Limit::Depth, .. } => 400,
            ErrorKind::Limit { .. } => 413,
            ErrorKind::UnsafeHeader | ErrorKind::Misuse(_) => 500,
            _ => 400,
        }
    }
}

impl ErrorKind {
    /// A stable name of the fault, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotMultipart => "not_multipart",
            Self::NoBoundary => "no_boundary",
            Self::BadBoundary => "bad_boundary",
            Self::UnexpectedEof => "unexpected_eof",
            Self::MalformedDelimiter => "malformed_delimiter",
            Self::MalformedHeader(_) => "malformed_header",
            Self::Limit { which, .. } => match which {
                Limit::Parts => "too_many_parts",
                Limit::Headers => "too_many_headers",
                Limit::HeaderBytes => "header_too_large",
                Limit::PartBytes => "part_too_large",
                Limit::BodyBytes => "body_too_large",
                Limit::PreambleBytes => "preamble_too_large",
                Limit::Depth => "nested_too_deep",
                Limit::NameBytes => "name_too_long",
                Limit::FilenameBytes => "filename_too_long",
                Limit::BufferBytes => "buffer_too_large",
            },
            Self::UnknownField => "unknown_field",
            Self::MissingDisposition => "missing_disposition",
            Self::MissingName => "missing_name",
            Self::NotFormData => "not_form_data",
            Self::UnknownEncoding => "unknown_encoding",
            Self::BadEncoding => "bad_encoding",
            Self::UnsafeHeader => "unsafe_header",
            Self::Misuse(_) => "misuse",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            ErrorKind::NotMultipart => f.write_str("the Content-Type is not multipart")?,
            ErrorKind::NoBoundary => f.write_str("the Content-Type names no boundary")?,
            ErrorKind::BadBoundary => f.write_str("the boundary is not one that RFC 2046 allows")?,
            ErrorKind::UnexpectedEof => f.write_str("the form ends before its close delimiter")?,
            ErrorKind::MalformedDelimiter => f.write_str("a delimiter line is malformed")?,
            ErrorKind::MalformedHeader(how) => write!(f, "a part's header is malformed: {how}")?,
            ErrorKind::Limit { which, value } => write!(f, "{which} (limit {value})")?,
            ErrorKind::UnknownField => f.write_str("the form has a field that is not expected")?,
            ErrorKind::MissingDisposition => f.write_str("a part has no Content-Disposition")?,
            ErrorKind::MissingName => f.write_str("a part has no name")?,
            ErrorKind::NotFormData => f.write_str("not form-data")?,
            ErrorKind::UnknownEncoding => f.write_str("the Content-Transfer-Encoding is unknown")?,
            ErrorKind::BadEncoding => f.write_str("a body breaks its Content-Transfer-Encoding")?,
            ErrorKind::UnsafeHeader => f.write_str("a header holds what must not be written")?,
            ErrorKind::Misuse(how) => f.write_str(how)?,
        }
        if let Some(field) = &self.0.field {
            write!(f, ", in field {field:?}")?;
        }
        if let Some(offset) = self.0.offset {
            write!(f, ", at byte {offset}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parts => "the form has too many parts",
            Self::Headers => "a part has too many header fields",
            Self::HeaderBytes => "a part's header has too many bytes",
            Self::PartBytes => "a part has too many bytes",
            Self::BodyBytes => "the form has too many bytes",
            Self::PreambleBytes => "too many bytes come before the first part",
            Self::Depth => "multiparts are nested too deeply",
            Self::NameBytes => "a field's name has too many bytes",
            Self::FilenameBytes => "a file name has too many bytes",
            Self::BufferBytes => "a field has too many bytes to be held in memory",
        })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("offset", &self.0.offset)
            .field("field", &self.0.field)
            .finish()
    }
}

impl core::error::Error for Error {}
