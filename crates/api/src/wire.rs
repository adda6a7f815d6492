//! The documents and addresses of API v1.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Id, Token};

/// The fields of the form that creates a paste, in the order they must have.
pub mod field {
    /// The public header's bytes.
    pub const HEADER: &str = "header";
    /// SHA-256 of the read token, base64url without padding.
    pub const READ: &str = "read";
    /// Seconds of life, or `never`.
    pub const EXPIRES_IN: &str = "expires_in";
    /// The ciphertext.
    pub const CONTENT: &str = "content";
}

/// The addresses.
pub mod path {
    use super::{Id, String, format};

    /// Where pastes are created (POST).
    pub const PASTES: &str = "/api/v1/pastes";
    /// What this server allows (GET).
    pub const LIMITS: &str = "/api/v1/limits";
    /// The API's description (GET).
    pub const OPENAPI: &str = "/api/v1/openapi.json";

    /// One paste: GET tells of it, DELETE removes it.
    #[must_use]
    pub fn paste(id: &Id) -> String {
        format!("{PASTES}/{id}")
    }

    /// Its content (GET, honours Range).
    #[must_use]
    pub fn content(id: &Id) -> String {
        format!("{PASTES}/{id}/content")
    }

    /// Its one claim (POST).
    #[must_use]
    pub fn claim(id: &Id) -> String {
        format!("{PASTES}/{id}/claim")
    }
}

/// The answer to a creation: 201.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// The paste's id.
    pub id: Id,
    /// The right to delete it; the server keeps only its hash.
    pub delete_token: Token,
    /// Seconds since 1970; `None` is never.
    pub expires_at: Option<u64>,
}

/// What anybody with the id may know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// The public header exactly as it was sent.
    pub header: String,
    /// The content's length in bytes.
    pub size: u64,
    /// Seconds since 1970.
    pub created_at: u64,
    /// Seconds since 1970; `None` is never.
    pub expires_at: Option<u64>,
    /// Where it is in its life.
    pub state: PasteState,
}

/// Where a paste is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PasteState {
    /// It can be read (or, where it burns, claimed).
    Open,
    /// One reader has claimed it.
    Claimed,
}

/// The answer to a claim: 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The bearer token that reads the content and destroys it.
    pub lease: Token,
    /// Seconds the lease lasts; every read renews it.
    pub expires_in: u64,
}

/// What this server allows, for clients to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLimits {
    /// The largest content in bytes.
    pub max_paste: u64,
    /// The longest life in seconds; `None` where pastes may live for ever.
    pub max_expiry: Option<u64>,
}

/// The longest life in seconds: 100 years of 365 days. So every time there is can be told in JavaScript's numbers.
pub const LONGEST_LIFE: u64 = 100 * 365 * 86_400;

/// How long a paste lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// This many seconds, from 1 to [`LONGEST_LIFE`].
    In(u64),
    /// Until it is deleted.
    Never,
}

impl FromStr for Expiry {
    type Err = ExpiryError;

    /// Reads the form field: decimal seconds without sign or leading zero, or `never`.
    fn from_str(text: &str) -> Result<Self, ExpiryError> {
        if text == "never" {
            return Ok(Self::Never);
        }
        if text.starts_with('0') || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ExpiryError);
        }
        let seconds = text.parse().ok().filter(|&seconds| seconds <= LONGEST_LIFE);
        seconds.map(Self::In).ok_or(ExpiryError)
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(seconds) => seconds.fmt(f),
            Self::Never => f.write_str("never"),
        }
    }
}

/// Not a life time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiryError;

impl fmt::Display for ExpiryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the life time is a number of seconds from 1 to {LONGEST_LIFE}, or \"never\"")
    }
}

impl core::error::Error for ExpiryError {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn an_expiry_is_seconds_or_never() {
        for good in ["1", "86400", "3153600000", "never"] {
            assert_eq!(good.parse::<Expiry>().unwrap().to_string(), good);
        }
        for bad in ["", "0", "01", "-1", "+1", "1d", "Never", "3153600001", "18446744073709551616"] {
            assert_eq!(bad.parse::<Expiry>(), Err(ExpiryError), "{bad}");
        }
    }
}
