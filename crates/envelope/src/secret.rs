//! The link secret, and the fragment that carries it.

use alloc::string::String;
use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::link::LinkError;

const VERSION: char = '1';
const CHECK: usize = 4;
/// 36 bytes fill base64's groups of three: no letter carries spare bits.
const LETTERS: usize = (32 + CHECK) / 3 * 4;

/// The 32 random bytes in a link's fragment, from which every key of a paste comes.
/// They are wiped when dropped, and `Debug` shows nothing of them.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct LinkSecret([u8; 32]);

impl LinkSecret {
    /// Characters in a fragment, without the `#`.
    pub const FRAGMENT_LEN: usize = 1 + LETTERS;

    /// A secret of these bytes, which have to be fresh from a CSPRNG.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The fragment without its `#`: `1`, then base64url without padding of secret and check.
    #[must_use]
    pub fn fragment(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; 32 + CHECK]);
        bytes[..32].copy_from_slice(&self.0);
        bytes[32..].copy_from_slice(&check(&self.0));
        let mut letters = Zeroizing::new([0; LETTERS]);
        // The buffer is of base64's exact length, so this always writes.
        let text = Base64UrlUnpadded::encode(&*bytes, &mut *letters).unwrap_or_default();
        let mut fragment = Zeroizing::new(String::with_capacity(Self::FRAGMENT_LEN));
        fragment.push(VERSION);
        fragment.push_str(text);
        fragment
    }

    /// Reads a fragment, with or without its `#`.
    ///
    /// # Errors
    /// [`LinkError`], which says what happened to the link on its way. It holds no part of the secret.
    pub fn parse_fragment(text: &str) -> Result<Self, LinkError> {
        let text = text.strip_prefix('#').unwrap_or(text);
        let mut rest = text.chars();
        match rest.next() {
            None => return Err(LinkError::Missing),
            Some(VERSION) => {}
            Some(_) => return Err(LinkError::Version),
        }
        let letters = rest.as_str();
        if !letters.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_') {
            return Err(LinkError::Letter);
        }
        if letters.len() < LETTERS {
            return Err(LinkError::Cut { missing: LETTERS - letters.len() });
        }
        if letters.len() > LETTERS {
            return Err(LinkError::Longer { extra: letters.len() - LETTERS });
        }
        let mut bytes = Zeroizing::new([0; 32 + CHECK]);
        Base64UrlUnpadded::decode(letters, &mut *bytes).map_err(|_| LinkError::Letter)?;
        let mut secret = Self([0; 32]);
        secret.0.copy_from_slice(&bytes[..32]);
        if bool::from(check(&secret.0).ct_eq(&bytes[32..])) { Ok(secret) } else { Err(LinkError::Mistyped) }
    }
}

fn check(secret: &[u8; 32]) -> [u8; CHECK] {
    let digest = Sha256::new().chain_update(b"pasteur link v1").chain_update(secret).finalize();
    let mut check = [0; CHECK];
    check.copy_from_slice(&digest[..CHECK]);
    check
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let secret = LinkSecret::from_bytes(core::array::from_fn(|i| i as u8));
        let fragment = secret.fragment();
        assert_eq!(fragment.len(), LinkSecret::FRAGMENT_LEN);
        assert_eq!(LinkSecret::parse_fragment(&fragment).unwrap().0, secret.0);
        let hash = format!("#{}", *fragment);
        assert_eq!(LinkSecret::parse_fragment(&hash).unwrap().0, secret.0);
        assert_eq!(format!("{secret:?}"), "LinkSecret(..)");
    }

    #[test]
    fn every_cut_every_addition_and_every_wrong_letter_is_told() {
        let fragment = LinkSecret::from_bytes([0xa5; 32]).fragment();
        for n in 1..fragment.len() {
            let missing = fragment.len() - n;
            assert_eq!(LinkSecret::parse_fragment(&fragment[..n]).unwrap_err(), LinkError::Cut { missing });
        }
        for end in ["A", "aaaa"] {
            let longer = format!("{}{end}", *fragment);
            assert_eq!(LinkSecret::parse_fragment(&longer).unwrap_err(), LinkError::Longer { extra: end.len() });
        }
        for at in 1..fragment.len() {
            for wrong in ["A", "b", "_", "7"] {
                let mut text = String::from(fragment.as_str());
                text.replace_range(at..=at, wrong);
                if text != *fragment {
                    assert_eq!(LinkSecret::parse_fragment(&text).unwrap_err(), LinkError::Mistyped);
                }
            }
            let mut text = String::from(fragment.as_str());
            text.replace_range(at..=at, "é");
            assert_eq!(LinkSecret::parse_fragment(&text).unwrap_err(), LinkError::Letter);
        }
        assert_eq!(LinkSecret::parse_fragment("").unwrap_err(), LinkError::Missing);
        assert_eq!(LinkSecret::parse_fragment("#").unwrap_err(), LinkError::Missing);
        assert_eq!(LinkSecret::parse_fragment("2abc").unwrap_err(), LinkError::Version);
        assert_eq!(LinkSecret::parse_fragment("##").unwrap_err(), LinkError::Version);
    }
}
