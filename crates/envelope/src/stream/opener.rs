//! From ciphertext to segments to be opened, and their release.

use alloc::vec::Vec;
use core::fmt;

use super::{
    AeadError, Geometry, HEADER_LEN, MAX_SEGMENTS, OpenError, Segment, SegmentKey, StreamHeader, TAG_LEN, fill,
};
use crate::keys::ContentKey;

/// Cuts ciphertext into segments, says how each is opened, and releases their plaintext in order.
///
/// Only the end of the input tells which segment is the last, so a segment is handed out when a byte follows it, the
/// last one by [`Opener::finish`]. Each opened segment goes through [`Opener::accept`] in turn; after
/// [`Opener::close`] the whole stream is known to be as it was sealed. Memory: one segment, and those handed out.
pub struct Opener {
    state: State,
    geometry: Geometry,
    buf: Vec<u8>,
    spare: Option<Vec<u8>>,
    pub(super) index: u32,
    /// Segments accepted so far; past the last one's index when all are.
    accepted: u32,
    finished: bool,
    failed: Option<OpenError>,
}

enum State {
    Header { content_key: ContentKey, associated_data: Vec<u8> },
    Segments { key: SegmentKey, header: StreamHeader },
}

impl Opener {
    /// A stream of this content key and associated data: the public header's bytes as they came.
    #[must_use]
    pub fn new(content_key: &ContentKey, associated_data: &[u8]) -> Self {
        Self::with_geometry(Geometry::TINK_1MB, content_key, associated_data)
    }

    pub(crate) fn with_geometry(geometry: Geometry, content_key: &ContentKey, associated_data: &[u8]) -> Self {
        Self {
            state: State::Header { content_key: content_key.clone(), associated_data: associated_data.to_vec() },
            geometry,
            buf: Vec::new(),
            spare: None,
            index: 0,
            accepted: 0,
            finished: false,
            failed: None,
        }
    }

    /// The AEAD's key, known once the header has been pushed: from the first segment on, and before it whenever
    /// 40 bytes are in.
    #[must_use]
    pub fn segment_key(&self) -> Option<&SegmentKey> {
        match &self.state {
            State::Header { .. } => None,
            State::Segments { key, .. } => Some(key),
        }
    }

    /// The stream's header, once it has been pushed.
    #[must_use]
    pub fn header(&self) -> Option<&StreamHeader> {
        match &self.state {
            State::Header { .. } => None,
            State::Segments { header, .. } => Some(header),
        }
    }

    /// Takes ciphertext, in any split, off the front of `input`; gives a segment to be opened as soon as it is whole
    /// and more follows. On `None`, `input` was taken whole. Call again until it is.
    ///
    /// # Errors
    /// [`OpenError`], which sticks.
    pub fn push(&mut self, input: &mut &[u8]) -> Result<Option<Segment>, OpenError> {
        self.check()?;
        if self.finished {
            return Err(OpenError::Finished);
        }
        if let State::Header { content_key, associated_data } = &self.state {
            fill(&mut self.buf, input, HEADER_LEN, 0, true);
            // A stream of another kind is told by its first byte, before anything waits for more.
            if let Some(&first) = self.buf.first().filter(|&&b| usize::from(b) != HEADER_LEN) {
                return Err(self.fail(OpenError::Header(first)));
            }
            let Ok(bytes) = self.buf.as_slice().try_into() else { return Ok(None) };
            let header = StreamHeader::parse(bytes)?;
            let key = header.segment_key(content_key, associated_data);
            self.state = State::Segments { key, header };
            self.buf.clear();
        }
        fill(&mut self.buf, input, self.geometry.sealed(self.index), 0, self.index == 0);
        if input.is_empty() {
            return Ok(None);
        }
        if self.index == MAX_SEGMENTS - 1 {
            return Err(self.fail(OpenError::TooLong));
        }
        let segment = self.cut(false)?;
        self.index += 1;
        Ok(Some(segment))
    }

    /// Ends the ciphertext: gives the last segment to be opened.
    ///
    /// # Errors
    /// [`OpenError::Truncated`] if no stream ends here, and as [`Opener::push`].
    pub fn finish(&mut self) -> Result<Segment, OpenError> {
        self.check()?;
        if self.finished {
            return Err(OpenError::Finished);
        }
        // No segment but the first of an empty plaintext is empty, so that each plaintext has one length.
        let least = if self.index == 0 { TAG_LEN } else { TAG_LEN + 1 };
        if self.segment_key().is_none() || self.buf.len() < least {
            let error = OpenError::Truncated(self.pushed());
            return Err(self.fail(error));
        }
        self.finished = true;
        self.cut(true)
    }

    /// Hands back what the AEAD made of a segment, in the order of their indices; gives the plaintext, which may now be
    /// used. A refusal sticks: nothing after it is ever released.
    ///
    /// # Errors
    /// [`OpenError::Refused`], or [`OpenError::Turn`] where a segment is not the next one handed out.
    pub fn accept(&mut self, index: u32, opened: Result<Vec<u8>, AeadError>) -> Result<Vec<u8>, OpenError> {
        self.check()?;
        if index != self.accepted || self.accepted >= self.index + u32::from(self.finished) {
            return Err(self.fail(OpenError::Turn { due: self.accepted, came: index }));
        }
        match opened {
            Ok(plain) => {
                self.accepted += 1;
                Ok(plain)
            }
            Err(AeadError) => Err(self.fail(OpenError::Refused(index))),
        }
    }

    /// Whether the stream is known to be whole: its last segment was accepted.
    ///
    /// # Errors
    /// [`OpenError::Unfinished`] if not, or the error that stuck.
    pub fn close(&self) -> Result<(), OpenError> {
        self.check()?;
        if self.finished && self.accepted == self.index + 1 { Ok(()) } else { Err(OpenError::Unfinished) }
    }

    /// Gives back a segment's buffer, to be used for a later one.
    pub fn recycle(&mut self, mut buf: Vec<u8>) {
        if self.spare.as_ref().is_none_or(|s| s.capacity() < buf.capacity()) {
            buf.clear();
            self.spare = Some(buf);
        }
    }

    fn check(&self) -> Result<(), OpenError> {
        self.failed.map_or(Ok(()), Err)
    }

    fn fail(&mut self, error: OpenError) -> OpenError {
        self.failed = Some(error);
        self.buf = Vec::new();
        error
    }

    /// Ciphertext bytes taken so far.
    fn pushed(&self) -> u64 {
        let now = self.buf.len() as u64;
        match self.state {
            State::Header { .. } => now,
            State::Segments { .. } if self.index == 0 => HEADER_LEN as u64 + now,
            State::Segments { .. } => u64::from(self.index) * self.geometry.sealed(1) as u64 + now,
        }
    }

    fn cut(&mut self, last: bool) -> Result<Segment, OpenError> {
        let State::Segments { header, .. } = &self.state else { return Err(OpenError::Unfinished) };
        let nonce = header.nonce(self.index, last);
        let bytes = core::mem::replace(&mut self.buf, self.spare.take().unwrap_or_default());
        Ok(Segment { index: self.index, nonce, last, bytes })
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("index", &self.index)
            .field("accepted", &self.accepted)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
