//! The public header: all that is in clear about a paste.

use alloc::string::String;
use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest public header, in bytes.
pub const MAX_HEADER: usize = 1024;

/// The public header of envelope version 1. The server stores and returns its bytes verbatim, and they are the
/// content's associated data, so a reader uses the bytes it got, never a header written anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicHeader {
    /// The envelope's version: 1.
    pub v: u8,
    /// How the password is stretched; `None` where there is no password.
    pub kdf: Option<Kdf>,
    /// Whether the paste is destroyed by its first reading.
    pub burn: bool,
    /// Whether readers may comment.
    pub comments: bool,
}

/// Argon2id's parameters (RFC 9106).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kdf {
    /// The algorithm's name: `argon2id`.
    pub alg: String,
    /// 16 random bytes, base64url without padding.
    #[serde(serialize_with = "write_salt", deserialize_with = "read_salt")]
    pub salt: [u8; 16],
    /// Memory in KiB: 65536.
    pub m: u32,
    /// Passes: 3.
    pub t: u32,
    /// Lanes: 1.
    pub p: u32,
}

impl Kdf {
    /// Envelope version 1's parameters: 64 MiB, 3 passes, 1 lane.
    #[must_use]
    pub fn v1(salt: [u8; 16]) -> Self {
        Self { alg: String::from("argon2id"), salt, m: 64 * 1024, t: 3, p: 1 }
    }
}

impl PublicHeader {
    /// The header's bytes as they are sent and sealed.
    #[must_use]
    pub fn encode(&self) -> String {
        // Only strings, numbers and booleans: serialising them cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads and checks a header.
    ///
    /// # Errors
    /// [`HeaderError`]: too long, not this JSON, another version, or parameters version 1 does not have (so no header
    /// makes a reader's password stretching cheap, or its memory large).
    pub fn decode(text: &str) -> Result<Self, HeaderError> {
        if text.len() > MAX_HEADER {
            return Err(HeaderError::TooLong);
        }
        let header: Self = serde_json::from_str(text).map_err(HeaderError::Json)?;
        if header.v != 1 {
            return Err(HeaderError::Version(header.v));
        }
        match &header.kdf {
            Some(kdf) if *kdf != Kdf::v1(kdf.salt) => Err(HeaderError::Kdf),
            _ => Ok(header),
        }
    }
}

fn write_salt<S: Serializer>(salt: &[u8; 16], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&Base64UrlUnpadded::encode_string(salt))
}

fn read_salt<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 16], D::Error> {
    let text = String::deserialize(from)?;
    let mut salt = [0; 16];
    match Base64UrlUnpadded::decode(&text, &mut salt) {
        Ok(b) if b.len() == 16 => Ok(salt),
        _ => Err(de::Error::custom("a salt is 16 bytes in base64url without padding")),
    }
}

/// Why a public header was refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum HeaderError {
    /// It is longer than [`MAX_HEADER`].
    TooLong,
    /// It is not JSON, or has other fields.
    Json(serde_json::Error),
    /// It has another version.
    Version(u8),
    /// Its password parameters are not version 1's.
    Kdf,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the public header is longer than {MAX_HEADER} bytes"),
            Self::Json(e) => write!(f, "the public header is not as version 1 has it: {e}"),
            Self::Version(v) => write!(f, "the public header has version {v}; only version 1 is known"),
            Self::Kdf => {
                f.write_str("the public header's password parameters are not version 1's (argon2id, m=65536, t=3, p=1)")
            }
        }
    }
}

impl core::error::Error for HeaderError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_pinned() {
        let plain = PublicHeader { v: 1, kdf: None, burn: true, comments: false };
        assert_eq!(plain.encode(), r#"{"v":1,"kdf":null,"burn":true,"comments":false}"#);
        let locked = PublicHeader { kdf: Some(Kdf::v1([1; 16])), ..plain };
        assert_eq!(
            locked.encode(),
            r#"{"v":1,"kdf":{"alg":"argon2id","salt":"AQEBAQEBAQEBAQEBAQEBAQ","m":65536,"t":3,"p":1},"burn":true,"comments":false}"#
        );
        assert_eq!(PublicHeader::decode(&locked.encode()).unwrap(), locked);
    }

    #[test]
    fn refuses_what_version_1_does_not_have() {
        let bad = [
            "",
            "{}",
            r#"{"v":2,"kdf":null,"burn":true,"comments":false}"#,
            r#"{"v":1,"kdf":null,"burn":true,"comments":false,"x":1}"#,
            r#"{"v":1,"kdf":{"alg":"argon2id","salt":"AQEBAQEBAQEBAQEBAQEBAQ","m":8,"t":3,"p":1},"burn":true,"comments":false}"#,
            r#"{"v":1,"kdf":{"alg":"argon2id","salt":"AQ","m":65536,"t":3,"p":1},"burn":true,"comments":false}"#,
        ];
        for bad in bad {
            assert!(PublicHeader::decode(bad).is_err(), "{bad}");
        }
        assert!(matches!(PublicHeader::decode(&" ".repeat(MAX_HEADER + 1)), Err(HeaderError::TooLong)));
    }
}
