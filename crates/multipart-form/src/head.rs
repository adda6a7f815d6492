//! A part's header (RFC 5322 fields within RFC 2046 section 5.1): read in any split, validated, handed out without a copy.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::error::Error;
use crate::value::{ContentType, Disposition, TransferEncoding, lossy};

mod index;

pub(crate) use index::Index;
use index::Place;

/// A part's header: its fields in wire order, and the typed values of those that matter.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    block: &'a [u8],
    index: &'a Index,
}

/// A [`Head`] of its own, for those who keep it. Filling one again reuses its memory.
#[derive(Clone, Default)]
pub struct HeadBuf {
    block: Vec<u8>,
    index: Index,
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
    /// [`ErrorKind::UnknownEncoding`](crate::ErrorKind::UnknownEncoding).
    pub fn transfer_encoding(&self) -> Result<TransferEncoding, Error> {
        match self.field("content-transfer-encoding") {
            Some(value) => TransferEncoding::parse(value),
            None => Ok(TransferEncoding::Identity),
        }
    }

    /// Where in the form the part's body begins: bytes from the form's first.
    #[must_use]
    pub fn body_offset(&self) -> u64 {
        self.index.body_at
    }

    /// A copy of its own: two allocations.
    #[must_use]
    pub fn to_buf(&self) -> HeadBuf {
        HeadBuf { block: self.block.to_vec(), index: self.index.clone() }
    }

    pub(crate) fn new(block: &'a [u8], index: &'a Index) -> Self {
        Self { block, index }
    }

    fn value(&self, at: usize) -> &'a [u8] {
        self.index.places.get(at).map(|place| place.value(self.block)).unwrap_or_default()
    }
}

impl HeadBuf {
    /// The header itself.
    #[must_use]
    pub fn as_head(&self) -> Head<'_> {
        Head::new(&self.block, &self.index)
    }

    /// Bytes of its fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.block.len()
    }

    /// Whether it has no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.places.is_empty()
    }

    /// About how many bytes of memory it takes.
    #[cfg(feature = "stream")]
    pub(crate) fn memory(&self) -> usize {
        self.block.capacity() + self.index.memory()
    }

    /// Copies another header over this one.
    pub fn assign(&mut self, head: &Head<'_>) {
        self.block.clear();
        self.block.extend_from_slice(head.block);
        self.index.clone_from(head.index);
    }
}

impl fmt::Debug for HeadBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_head().fmt(f)
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
