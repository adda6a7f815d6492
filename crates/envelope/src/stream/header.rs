//! A stream's header, and the key that it gives with the content key.

use core::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{HEADER_LEN, OpenError};
use crate::keys::{ContentKey, expand};

/// The 40 bytes a stream begins with: its own length, a 32-byte salt, a 7-byte nonce prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamHeader {
    salt: [u8; 32],
    nonce_prefix: [u8; 7],
}

impl StreamHeader {
    /// A header of a salt and a nonce prefix, both fresh from a CSPRNG.
    #[must_use]
    pub fn new(salt: [u8; 32], nonce_prefix: [u8; 7]) -> Self {
        Self { salt, nonce_prefix }
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`OpenError::Header`] if its first byte is not its length.
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self, OpenError> {
        let [len, rest @ ..] = bytes;
        if usize::from(*len) != HEADER_LEN {
            return Err(OpenError::Header(*len));
        }
        let mut header = Self { salt: [0; 32], nonce_prefix: [0; 7] };
        header.salt.copy_from_slice(&rest[..32]);
        header.nonce_prefix.copy_from_slice(&rest[32..]);
        Ok(header)
    }

    /// The header as a stream begins with it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = HEADER_LEN as u8;
        bytes[1..33].copy_from_slice(&self.salt);
        bytes[33..].copy_from_slice(&self.nonce_prefix);
        bytes
    }

    /// The key of this stream's segments: HKDF-SHA-256 of the content key, with the salt, and the associated data as info.
    #[must_use]
    pub fn segment_key(&self, content_key: &ContentKey, associated_data: &[u8]) -> SegmentKey {
        let mut key = SegmentKey([0; 32]);
        expand(&Hkdf::<Sha256>::new(Some(&self.salt), content_key.as_bytes()), associated_data, &mut key.0);
        key
    }

    /// A segment's nonce.
    #[must_use]
    pub fn nonce(&self, index: u32, last: bool) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[..7].copy_from_slice(&self.nonce_prefix);
        nonce[7..11].copy_from_slice(&index.to_be_bytes());
        nonce[11] = u8::from(last);
        nonce
    }
}

/// The AES-256-GCM key of one stream's segments, wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SegmentKey([u8; 32]);

impl SegmentKey {
    /// The key's bytes, for the AEAD.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SegmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SegmentKey(..)")
    }
}
