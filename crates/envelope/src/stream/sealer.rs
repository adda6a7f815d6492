//! From plaintext to segments to be sealed.

use alloc::vec::Vec;
use core::fmt;

use super::{Geometry, MAX_SEGMENTS, SealError, Segment, SegmentKey, StreamHeader, TAG_LEN, fill};
use crate::keys::ContentKey;

/// Cuts plaintext into segments, and says how each is sealed.
///
/// A stream is [`Sealer::header`], then each segment's ciphertext and tag in the order of their indices. They may be
/// sealed out of order or at once. Memory: one segment, and those handed out.
pub struct Sealer {
    key: SegmentKey,
    header: StreamHeader,
    geometry: Geometry,
    buf: Vec<u8>,
    spare: Option<Vec<u8>>,
    pub(super) index: u32,
    finished: bool,
}

impl Sealer {
    /// A stream of this content key and associated data: the public header's bytes as they are sent.
    /// `salt` and `nonce_prefix` are fresh from a CSPRNG for each stream, or AES-GCM's secrecy is lost.
    #[must_use]
    pub fn new(content_key: &ContentKey, associated_data: &[u8], salt: [u8; 32], nonce_prefix: [u8; 7]) -> Self {
        Self::with_geometry(Geometry::TINK_1MB, content_key, associated_data, StreamHeader::new(salt, nonce_prefix))
    }

    pub(crate) fn with_geometry(
        geometry: Geometry,
        content_key: &ContentKey,
        associated_data: &[u8],
        header: StreamHeader,
    ) -> Self {
        let key = header.segment_key(content_key, associated_data);
        Self { key, header, geometry, buf: Vec::new(), spare: None, index: 0, finished: false }
    }

    /// What the stream begins with.
    #[must_use]
    pub fn header(&self) -> &StreamHeader {
        &self.header
    }

    /// The AEAD's key.
    #[must_use]
    pub fn segment_key(&self) -> &SegmentKey {
        &self.key
    }

    /// Takes plaintext, in any split, off the front of `input`; gives a segment as soon as it is full and more follows.
    /// On `None`, `input` was taken whole. Call again until it is.
    ///
    /// # Errors
    /// [`SealError`]: past [`MAX_SEGMENTS`], or after [`Sealer::finish`].
    pub fn push(&mut self, input: &mut &[u8]) -> Result<Option<Segment>, SealError> {
        if self.finished {
            return Err(SealError::Finished);
        }
        let full = self.geometry.plain(self.index);
        fill(&mut self.buf, input, full, TAG_LEN, self.index == 0);
        if input.is_empty() {
            return Ok(None);
        }
        if self.index == MAX_SEGMENTS - 1 {
            return Err(SealError::TooLong);
        }
        let segment = self.cut(false);
        self.index += 1;
        Ok(Some(segment))
    }

    /// Ends the plaintext: gives the last segment, which is empty only if there was no plaintext at all.
    ///
    /// # Errors
    /// [`SealError::Finished`] if it was called before.
    pub fn finish(&mut self) -> Result<Segment, SealError> {
        if self.finished {
            return Err(SealError::Finished);
        }
        self.finished = true;
        Ok(self.cut(true))
    }

    /// Gives back a segment's buffer, to be used for a later one.
    pub fn recycle(&mut self, mut buf: Vec<u8>) {
        if self.spare.as_ref().is_none_or(|s| s.capacity() < buf.capacity()) {
            buf.clear();
            self.spare = Some(buf);
        }
    }

    fn cut(&mut self, last: bool) -> Segment {
        let bytes = core::mem::replace(&mut self.buf, self.spare.take().unwrap_or_default());
        Segment { index: self.index, nonce: self.header.nonce(self.index, last), last, bytes }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("index", &self.index).field("finished", &self.finished).finish_non_exhaustive()
    }
}
