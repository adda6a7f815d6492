//! A paste's public name.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// A paste's id: 12 characters of base58 (about 70 bits), chosen at random by the server.
/// Its `Debug` shows nothing, so that no log names a paste by accident.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id([u8; Id::LEN]);

impl Id {
    /// Characters in an id.
    pub const LEN: usize = 12;

    /// An id from uniformly random bytes, or `None` where they ran out: a byte of 232 or more is passed over, so that
    /// every character is equally likely. 32 bytes fail once in about 10^8 tries; draw again then.
    #[must_use]
    pub fn from_random(bytes: &[u8]) -> Option<Self> {
        let mut id = [0; Self::LEN];
        let mut usable = bytes.iter().filter(|&&b| b < 232);
        for c in &mut id {
            *c = ALPHABET[usize::from(*usable.next()? % 58)];
        }
        Some(Self(id))
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Every byte is one of ALPHABET's.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let id: [u8; Self::LEN] = text.as_bytes().try_into().map_err(|_| IdError)?;
        if id.iter().all(|c| ALPHABET.contains(c)) { Ok(Self(id)) } else { Err(IdError) }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Id(..)")
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// Not an id: it has to be 12 characters of base58.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdError;

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id is 12 characters of base58")
    }
}

impl core::error::Error for IdError {}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let id = Id::from_random(&[0, 57, 58, 231, 232, 255, 1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        assert_eq!(id.to_string(), "1z1z23456789");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(format!("{id:?}"), "Id(..)");
    }

    #[test]
    fn refuses_everything_else() {
        for bad in ["", "1z1z2345678", "1z1z234567899", "0z1z23456789", "1z1z2345678/", "1z1z234567é"] {
            assert_eq!(bad.parse::<Id>(), Err(IdError), "{bad}");
        }
        assert_eq!(Id::from_random(&[255; 64]), None);
        assert_eq!(Id::from_random(&[0; 11]), None);
    }
}
