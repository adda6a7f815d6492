//! Streaming AEAD: Google Tink's AES256_GCM_HKDF_1MB, byte for byte.
//!
//! A stream is a 40-byte header, then segments. A segment and its tag take 1 MiB of ciphertext, the first one less by
//! the header, the last one what is left; only an empty plaintext has an empty segment.

mod error;
mod header;
mod opener;
mod plan;
mod sealer;
mod segment;

pub use error::{AeadError, OpenError, PlanError, SealError};
pub use header::{SegmentKey, StreamHeader};
pub use opener::Opener;
pub use plan::{Place, SegmentPlan, sealed_len};
pub use sealer::Sealer;
pub use segment::Segment;

use alloc::vec::Vec;

/// Bytes of a stream's header.
pub const HEADER_LEN: usize = 40;
/// Bytes of a segment's tag.
pub const TAG_LEN: usize = 16;
/// Bytes of a whole segment's ciphertext and tag; the first one has [`HEADER_LEN`] fewer.
pub const SEGMENT_LEN: usize = 1 << 20;

/// The most segments a stream has, so that their count and any range of them is a `u32`: just under 4 PiB.
pub const MAX_SEGMENTS: u32 = u32::MAX;

/// A segment's length, which only tests change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    segment: usize,
}

impl Geometry {
    pub(crate) const TINK_1MB: Self = Self { segment: SEGMENT_LEN };

    /// Ciphertext and tag of a whole segment.
    pub(crate) fn sealed(self, index: u32) -> usize {
        self.segment - if index == 0 { HEADER_LEN } else { 0 }
    }

    /// Plaintext of a whole segment.
    pub(crate) fn plain(self, index: u32) -> usize {
        self.sealed(index) - TAG_LEN
    }
}

/// Moves what fits below `full` from `input` to `buf`, which never grows past `full` and `spare`: in a stream's `first`
/// segment to twice its length, so that a short stream takes little memory, later to a whole segment at once.
fn fill(buf: &mut Vec<u8>, input: &mut &[u8], full: usize, spare: usize, first: bool) {
    let n = input.len().min(full - buf.len());
    if buf.capacity() < buf.len() + n {
        let wanted = if first { (2 * buf.len()).max(buf.len() + n).min(full) } else { full } + spare;
        buf.reserve_exact(wanted - buf.len());
    }
    let (now, rest) = input.split_at(n);
    buf.extend_from_slice(now);
    *input = rest;
}

#[cfg(all(test, feature = "native"))]
mod tests;
