//! Problem documents (RFC 9457).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong, in a name that stays: the last part of a problem's `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// 400: the request or its form is malformed.
    Malformed,
    /// 401: the token is missing.
    TokenMissing,
    /// 403: the token is wrong.
    TokenWrong,
    /// 404: no such paste, or one that expired.
    NotFound,
    /// 404: no such address.
    NoRoute,
    /// 405: the address has no such method.
    Method,
    /// 408: the request came too slowly.
    TooSlow,
    /// 409: the paste burns, and must be claimed before it is read.
    ClaimNeeded,
    /// 409: the paste does not burn, so there is nothing to claim.
    NothingToClaim,
    /// 410: the paste was burnt, or another reader has claimed it.
    Burnt,
    /// 413: larger than the limit.
    TooLarge,
    /// 415: another content type is needed.
    UnsupportedType,
    /// 416: the range lies outside the content.
    Range,
    /// 429: too many requests of this client.
    TooMany,
    /// 500: the server failed.
    Internal,
    /// 503: the server is stopping or has too much to do.
    Unavailable,
    /// 507: the store is full.
    Full,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Malformed,
        Self::TokenMissing,
        Self::TokenWrong,
        Self::NotFound,
        Self::NoRoute,
        Self::Method,
        Self::TooSlow,
        Self::ClaimNeeded,
        Self::NothingToClaim,
        Self::Burnt,
        Self::TooLarge,
        Self::UnsupportedType,
        Self::Range,
        Self::TooMany,
        Self::Internal,
        Self::Unavailable,
        Self::Full,
    ];

    /// The kind's stable name, its HTTP status code, and its title.
    #[must_use]
    pub const fn facts(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Malformed => ("malformed", 400, "The request is malformed"),
            Self::TokenMissing => ("token-missing", 401, "A token is needed"),
            Self::TokenWrong => ("token-wrong", 403, "The token is wrong"),
            Self::NotFound => ("not-found", 404, "There is no such paste, or it has expired"),
            Self::NoRoute => ("no-route", 404, "There is nothing at this address"),
            Self::Method => ("method", 405, "This address does not take that method"),
            Self::TooSlow => ("too-slow", 408, "The request came too slowly"),
            Self::ClaimNeeded => ("claim-needed", 409, "The paste burns after reading: claim it first"),
            Self::NothingToClaim => ("nothing-to-claim", 409, "The paste does not burn: read it without a claim"),
            Self::Burnt => ("burnt", 410, "The paste was read and destroyed, or is being read"),
            Self::TooLarge => ("too-large", 413, "Larger than the limit"),
            Self::UnsupportedType => ("unsupported-type", 415, "Another content type is needed"),
            Self::Range => ("range", 416, "The range lies outside the content"),
            Self::TooMany => ("too-many", 429, "Too many requests"),
            Self::Internal => ("internal", 500, "The server failed"),
            Self::Unavailable => ("unavailable", 503, "The server cannot take this now"),
            Self::Full => ("full", 507, "The server's store is full"),
        }
    }

    /// The value of a problem's `type`.
    #[must_use]
    pub fn uri(self) -> String {
        format!("urn:pasteur:problem:{}", self.facts().0)
    }

    /// The kind that a problem's `type` names.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        let name = uri.strip_prefix("urn:pasteur:problem:")?;
        Self::ALL.into_iter().find(|k| k.facts().0 == name)
    }
}

/// A problem document, sent as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// [`Kind::uri`].
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind's title.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What exactly was wrong, and where; never a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The name of the limit that was passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The limit's value: bytes, a count, or requests a minute, as its name says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
    /// When to try again, in seconds; also in `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem of this kind without particulars.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let (_, status, title) = kind.facts();
        Self {
            kind: kind.uri(),
            title: title.to_owned(),
            status,
            detail: None,
            limit: None,
            value: None,
            retry_after: None,
        }
    }

    /// With what exactly was wrong.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With the limit that was passed.
    #[must_use]
    pub fn limit(mut self, name: &str, value: u64) -> Self {
        self.limit = Some(name.to_owned());
        self.value = Some(value);
        self
    }

    /// With the time to wait, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        if let (Some(limit), Some(value)) = (&self.limit, self.value) {
            write!(f, " ({limit} is {value})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_uri() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_uri(&kind.uri()), Some(kind));
        }
        assert_eq!(Kind::from_uri("about:blank"), None);
    }

    #[test]
    fn is_written_as_pinned() {
        let problem = Problem::new(Kind::TooLarge).detail("part content").limit("max_paste", 5);
        assert_eq!(
            serde_json::to_string(&problem).unwrap(),
            r#"{"type":"urn:pasteur:problem:too-large","title":"Larger than the limit","status":413,"detail":"part content","limit":"max_paste","value":5}"#
        );
    }
}
