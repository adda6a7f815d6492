//! Random access: where each segment of a stream of known length lies.

use alloc::vec::Vec;
use core::ops::Range;

use super::{Geometry, HEADER_LEN, MAX_SEGMENTS, PlanError, Segment, StreamHeader, TAG_LEN};

/// The length of a sealed stream of `plain_len` bytes of plaintext, or `u64::MAX` where it has none.
#[must_use]
pub fn sealed_len(plain_len: u64) -> u64 {
    sealed(Geometry::TINK_1MB, plain_len).unwrap_or(u64::MAX)
}

fn sealed(geometry: Geometry, plain_len: u64) -> Option<u64> {
    let whole = geometry.plain(1) as u64;
    // The header takes the place of plaintext in the first segment.
    let filled = plain_len.checked_add(HEADER_LEN as u64)?;
    filled.checked_add(filled.div_ceil(whole).checked_mul(TAG_LEN as u64)?)
}

/// Where the segments of a sealed stream of known length lie, so that one can be fetched and opened by itself.
///
/// What a server says of the length is not authenticated: that the stream is whole is known only when its last segment
/// has opened.
#[derive(Clone, Copy, Debug)]
pub struct SegmentPlan {
    geometry: Geometry,
    sealed_len: u64,
    segments: u32,
}

/// Where one segment lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its place among the segments, from 0.
    pub index: u32,
    /// Whether it is the last.
    pub last: bool,
    /// Its ciphertext and tag, in bytes of the sealed stream.
    pub sealed: Range<u64>,
    /// Its plaintext, in bytes of the whole plaintext.
    pub plain: Range<u64>,
}

impl SegmentPlan {
    /// The plan of a sealed stream of `sealed_len` bytes, header and all.
    ///
    /// # Errors
    /// [`PlanError`] if no stream has this length.
    pub fn new(sealed_len: u64) -> Result<Self, PlanError> {
        Self::with_geometry(Geometry::TINK_1MB, sealed_len)
    }

    pub(crate) fn with_geometry(geometry: Geometry, sealed_len: u64) -> Result<Self, PlanError> {
        let segments = sealed_len.div_ceil(geometry.sealed(1) as u64);
        let overhead = HEADER_LEN as u64 + segments.saturating_mul(TAG_LEN as u64);
        match sealed_len.checked_sub(overhead) {
            Some(plain) if sealed(geometry, plain) == Some(sealed_len) => {}
            _ => return Err(PlanError::Length(sealed_len)),
        }
        match u32::try_from(segments) {
            Ok(segments) => Ok(Self { geometry, sealed_len, segments }),
            Err(_) => Err(PlanError::TooLong(sealed_len)),
        }
    }

    /// The sealed stream's length.
    #[must_use]
    pub fn sealed_len(&self) -> u64 {
        self.sealed_len
    }

    /// The plaintext's length.
    #[must_use]
    pub fn plain_len(&self) -> u64 {
        self.sealed_len - HEADER_LEN as u64 - u64::from(self.segments) * TAG_LEN as u64
    }

    /// How many segments there are: at least 1.
    #[must_use]
    pub fn segments(&self) -> u32 {
        self.segments
    }

    /// Where a segment lies, or `None` past the last.
    #[must_use]
    pub fn segment(&self, index: u32) -> Option<Place> {
        if index >= self.segments {
            return None;
        }
        let i = u64::from(index);
        let (sealed, plain) = (self.geometry.sealed(1) as u64, self.geometry.plain(1) as u64);
        let header = HEADER_LEN as u64;
        Some(Place {
            index,
            last: index + 1 == self.segments,
            sealed: (i * sealed).max(header)..((i + 1) * sealed).min(self.sealed_len),
            plain: (i * plain).saturating_sub(header)..((i + 1) * plain - header).min(self.plain_len()),
        })
    }

    /// The segments that hold a range of plaintext, which is cut to the plaintext there is. An empty range has none.
    #[must_use]
    pub fn covering(&self, plain: Range<u64>) -> Range<u32> {
        let end = plain.end.min(self.plain_len());
        if plain.start >= end {
            return 0..0;
        }
        let whole = self.geometry.plain(1) as u64;
        let segment = |at: u64| u32::try_from((at + HEADER_LEN as u64) / whole).unwrap_or(MAX_SEGMENTS - 1);
        segment(plain.start)..segment(end - 1) + 1
    }
}

impl StreamHeader {
    /// The job of opening one segment by itself, of which `bytes` were fetched.
    ///
    /// # Errors
    /// [`PlanError::Segment`] if they are not as many as the plan has.
    pub fn segment(&self, place: &Place, bytes: Vec<u8>) -> Result<Segment, PlanError> {
        let planned = place.sealed.end - place.sealed.start;
        if bytes.len() as u64 != planned {
            return Err(PlanError::Segment { planned, came: bytes.len() as u64 });
        }
        Ok(Segment { index: place.index, nonce: self.nonce(place.index, place.last), last: place.last, bytes })
    }
}
