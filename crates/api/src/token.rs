//! The bearer tokens: read, delete and lease.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A 32-byte secret that proves a right: the read token, the delete token or a lease.
/// It is wiped when dropped, and its `Debug` shows nothing. On the wire it is base64url without padding.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Token([u8; 32]);

impl Token {
    /// A token of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// SHA-256 of the token: all that a server keeps.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// Whether `hash` is this token's, in constant time.
    #[must_use]
    pub fn matches(&self, hash: &[u8; 32]) -> bool {
        self.hash().ct_eq(hash).into()
    }

    /// The token in base64url without padding, 43 characters.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<String> {
        Zeroizing::new(Base64UrlUnpadded::encode_string(&self.0))
    }

    /// A 32-byte hash in base64url, as the form field `read` carries it.
    #[must_use]
    pub fn encode_hash(hash: &[u8; 32]) -> String {
        Base64UrlUnpadded::encode_string(hash)
    }

    /// Reads what [`Token::encode_hash`] wrote.
    ///
    /// # Errors
    /// [`TokenError`] if it is not 32 bytes in base64url without padding.
    pub fn decode_hash(text: &str) -> Result<[u8; 32], TokenError> {
        let mut bytes = [0; 32];
        match Base64UrlUnpadded::decode(text, &mut bytes) {
            Ok(b) if b.len() == 32 => Ok(bytes),
            _ => Err(TokenError),
        }
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        Self::decode_hash(text).map(Self)
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.encode())
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Zeroizing::new(String::deserialize(from)?).parse().map_err(de::Error::custom)
    }
}

/// Not a token: it has to be 32 bytes in base64url without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenError;

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token is 32 bytes in base64url without padding, 43 characters")
    }
}

impl core::error::Error for TokenError {}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn reads_what_it_writes_and_shows_nothing() {
        let token = Token::new([7; 32]);
        assert_eq!(token.encode().parse::<Token>().unwrap(), token);
        assert!(token.matches(&token.hash()));
        assert!(!token.matches(&Token::new([8; 32]).hash()));
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn refuses_other_lengths_and_letters() {
        let good = Token::new([7; 32]).encode();
        for bad in
            ["", &good[1..], &format!("{}A", good.as_str()), &good.replace('c', "+"), &format!("{}=", good.as_str())]
        {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }
}
