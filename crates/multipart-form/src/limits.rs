//! How much of a form is taken before it is refused.

use alloc::string::String;
use alloc::vec::Vec;

/// Limits, all on by default. Sizes are bytes; `u64::MAX` turns one off, but for a header's bytes, which are at most 2 GiB, and
/// for depth, which is at most [`Limits::MAX_DEPTH`].
///
/// A part that is a multipart itself is held to a part's limits too, by the bytes of all bodies inside together, where the
/// parser is [`nested`](crate::Parser::nested).
///
/// | limit | default |
/// |---|---|
/// | parts in all | 1024 |
/// | header fields of a part | 32 |
/// | header bytes of a part, with line ends and the blank line | 16 KiB |
/// | bytes of a part | 256 MiB |
/// | bytes in all | 1 GiB |
/// | preamble | 64 KiB |
/// | multiparts inside each other, the outermost included | 8 |
/// | bytes of a name | 1 KiB |
/// | bytes of a file name | 8 KiB |
#[derive(Clone, Debug)]
pub struct Limits {
    pub(crate) parts: u64,
    pub(crate) headers: u64,
    pub(crate) header_bytes: u64,
    pub(crate) part_bytes: u64,
    pub(crate) body_bytes: u64,
    pub(crate) preamble_bytes: u64,
    pub(crate) depth: u64,
    pub(crate) name_bytes: u64,
    pub(crate) filename_bytes: u64,
    pub(crate) overflow: Overflow,
    pub(crate) fields: Vec<(String, u64)>,
    pub(crate) allowed: Option<(Vec<String>, Unlisted)>,
}

/// What happens to a part that has more bytes than it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The form is refused.
    #[default]
    Refuse,
    /// The part is cut at its limit and the rest of it passed over; [`Parser::dropped`](crate::Parser::dropped) tells how much. Of a
    /// part that is read as a multipart itself, the bodies inside are cut once they have that much in all.
    Truncate,
}

/// What happens to a field that is not on the list of allowed ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unlisted {
    /// The form is refused.
    #[default]
    Refuse,
    /// The part is passed over as if it had not been sent.
    Skip,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parts: 1024,
            headers: 32,
            header_bytes: 16 << 10,
            part_bytes: 256 << 20,
            body_bytes: 1 << 30,
            preamble_bytes: 64 << 10,
            depth: 8,
            name_bytes: 1 << 10,
            filename_bytes: 8 << 10,
            overflow: Overflow::Refuse,
            fields: Vec::new(),
            allowed: None,
        }
    }
}

impl Limits {
    /// The most multiparts inside each other that any parser reads: the time that a byte takes grows with them.
    pub const MAX_DEPTH: u64 = 64;

    /// The defaults for what is held in memory (headers and depth); everything that is only passed through is unlimited.
    #[must_use]
    pub fn unbounded() -> Self {
        Self {
            parts: u64::MAX,
            part_bytes: u64::MAX,
            body_bytes: u64::MAX,
            preamble_bytes: u64::MAX,
            name_bytes: u64::MAX,
            filename_bytes: u64::MAX,
            ..Self::default()
        }
    }

    /// Parts in all, those inside nested multiparts included.
    #[must_use]
    pub fn parts(self, parts: u64) -> Self {
        Self { parts, ..self }
    }

    /// Header fields of a part.
    #[must_use]
    pub fn headers(self, headers: u64) -> Self {
        Self { headers, ..self }
    }

    /// Bytes of a part's header, line ends and the blank line included: what the parser holds in memory at most, of one header at a time.
    #[must_use]
    pub fn header_bytes(self, header_bytes: u64) -> Self {
        Self { header_bytes: header_bytes.min(u64::from(u32::MAX) / 2), ..self }
    }

    /// Bytes of a part's body, whether it is read as a multipart itself or not.
    #[must_use]
    pub fn part_bytes(self, part_bytes: u64) -> Self {
        Self { part_bytes, ..self }
    }

    /// Bytes of the whole body, delimiters and headers included.
    #[must_use]
    pub fn body_bytes(self, body_bytes: u64) -> Self {
        Self { body_bytes, ..self }
    }

    /// Bytes before the first delimiter (of each multipart).
    #[must_use]
    pub fn preamble_bytes(self, preamble_bytes: u64) -> Self {
        Self { preamble_bytes, ..self }
    }

    /// Multiparts inside each other, the outermost included; more than [`MAX_DEPTH`](Self::MAX_DEPTH) is that.
    #[must_use]
    pub fn depth(self, depth: u64) -> Self {
        Self { depth: depth.min(Self::MAX_DEPTH), ..self }
    }

    /// Bytes of a field's name.
    #[must_use]
    pub fn name_bytes(self, name_bytes: u64) -> Self {
        Self { name_bytes, ..self }
    }

    /// Bytes of a file name.
    #[must_use]
    pub fn filename_bytes(self, filename_bytes: u64) -> Self {
        Self { filename_bytes, ..self }
    }

    /// Bytes of the body of each part of this name; instead of [`part_bytes`](Self::part_bytes), be it less or more. What is
    /// inside such a part is of its body, whatever its names.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, bytes: u64) -> Self {
        let name = name.into();
        match self.fields.iter_mut().find(|f| f.0 == name) {
            Some(field) => field.1 = bytes,
            None => self.fields.push((name, bytes)),
        }
        self
    }

    /// Only these fields are expected. A part without a name inside another is of that one's field; without one in the form
    /// itself it is unlisted.
    #[must_use]
    pub fn allow<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>, otherwise: Unlisted) -> Self {
        self.allowed = Some((names.into_iter().map(Into::into).collect(), otherwise));
        self
    }

    /// What happens to a part that is too large.
    #[must_use]
    pub fn overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }
}
