//! A job for the AEAD: one segment.

use alloc::vec::Vec;
use core::fmt;

/// One segment on its way to AES-256-GCM, which takes no associated data here (the stream's went into the key).
///
/// Sealing turns `bytes` into ciphertext and tag; opening turns ciphertext and tag into plaintext.
#[derive(Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its place in the stream, from 0.
    pub index: u32,
    /// The nonce: prefix, index in big-endian order, and 1 for the last segment or 0.
    pub nonce: [u8; 12],
    /// Whether it is the stream's last.
    pub last: bool,
    /// Plaintext to be sealed, or ciphertext and tag to be opened.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("index", &self.index)
            .field("last", &self.last)
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}
