//! How a paste's record is written: one row of the table `pastes` (docs/store.md has the layout).

use api::Id;
use device::Timestamp;

use crate::{Claim, Error, NewPaste, Record, Result, State};

/// How long a burnt paste that would never have expired stays `Burnt`: 30 days, in seconds.
const TOMBSTONE_SECONDS: u64 = 30 * 24 * 60 * 60;

const PASTE: u8 = 1;
const BURNT: u8 = 2;

const BURN: u8 = 1;
const EXPIRES: u8 = 2;
const CLAIMED: u8 = 4;
const INLINE: u8 = 8;

/// A row of `pastes`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Row<'a> {
    Paste(Paste<'a>),
    /// A paste that was burnt, and until when to say so.
    Burnt(Timestamp),
}

/// A paste as its row has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paste<'a> {
    pub(super) burn: bool,
    pub(super) read_hash: [u8; 32],
    pub(super) delete_hash: [u8; 32],
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) claim: Option<Claim>,
    pub(super) size: u64,
    pub(super) header: &'a str,
    pub(super) body: Body<'a>,
}

/// Where a paste's content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// In the row.
    Inline(&'a [u8]),
    /// In the table `pieces`, under this upload's number.
    Pieces(u64),
}

impl<'a> Row<'a> {
    /// Reads a row; `None` where it is not one.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut input = Input(bytes);
        match input.byte()? {
            BURNT => {
                let until = Timestamp(input.number()?);
                input.0.is_empty().then_some(Self::Burnt(until))
            }
            PASTE => {
                let flags = input.byte()?;
                let created_at = Timestamp(input.number()?);
                let expires_at = Timestamp(input.number()?);
                let size = input.number()?;
                let (read_hash, delete_hash) = (*input.array()?, *input.array()?);
                let claim = if flags & CLAIMED == 0 {
                    None
                } else {
                    Some(Claim { lease_hash: *input.array()?, until: Timestamp(input.number()?) })
                };
                let header_len = usize::from(u16::from_le_bytes(*input.array()?));
                let header = std::str::from_utf8(input.take(header_len)?).ok()?;
                let body = if flags & INLINE == 0 {
                    let upload = input.number()?;
                    input.0.is_empty().then_some(Body::Pieces(upload))?
                } else {
                    (input.0.len() as u64 == size).then_some(Body::Inline(input.0))?
                };
                Some(Self::Paste(Paste {
                    burn: flags & BURN != 0,
                    read_hash,
                    delete_hash,
                    created_at,
                    expires_at: (flags & EXPIRES != 0).then_some(expires_at),
                    claim,
                    size,
                    header,
                    body,
                }))
            }
            _ => None,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Burnt(until) => {
                let mut out = vec![BURNT];
                out.extend(until.0.to_le_bytes());
                out
            }
            Self::Paste(paste) => paste.encode(),
        }
    }

    /// When the row has to change by itself: the paste expires, its lease ends, or the tombstone goes.
    pub(super) fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Burnt(until) => Some(*until),
            Self::Paste(paste) => match (paste.expires_at, paste.claim) {
                (Some(expires), Some(claim)) => Some(expires.min(claim.until)),
                (expires, claim) => expires.or(claim.map(|c| c.until)),
            },
        }
    }

    /// The paste, where it can be seen at `now`.
    pub(super) fn visible(&self, now: Timestamp) -> Result<&Paste<'a>> {
        let burnt_until = match self {
            Self::Burnt(until) => *until,
            Self::Paste(paste) => match paste.claim {
                _ if paste.expires_at.is_some_and(|t| t <= now) => return Err(Error::NotFound),
                Some(claim) if claim.until <= now => paste.tombstone(claim.until),
                _ => return Ok(paste),
            },
        };
        Err(if now < burnt_until { Error::Burnt } else { Error::NotFound })
    }
}

impl Paste<'_> {
    fn encode(&self) -> Vec<u8> {
        let (inline, upload) = match &self.body {
            Body::Inline(content) => (*content, None),
            Body::Pieces(upload) => (&[][..], Some(upload.to_le_bytes())),
        };
        let mut flags = 0;
        for (flag, set) in [
            (BURN, self.burn),
            (EXPIRES, self.expires_at.is_some()),
            (CLAIMED, self.claim.is_some()),
            (INLINE, upload.is_none()),
        ] {
            flags |= if set { flag } else { 0 };
        }
        let mut out = Vec::with_capacity(144 + self.header.len() + inline.len());
        out.extend([PASTE, flags]);
        out.extend(self.created_at.0.to_le_bytes());
        out.extend(self.expires_at.map_or(0, |t| t.0).to_le_bytes());
        out.extend(self.size.to_le_bytes());
        out.extend(self.read_hash);
        out.extend(self.delete_hash);
        if let Some(claim) = &self.claim {
            out.extend(claim.lease_hash);
            out.extend(claim.until.0.to_le_bytes());
        }
        out.extend(u16::try_from(self.header.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend(self.header.as_bytes());
        out.extend(upload.as_slice().concat());
        out.extend(inline);
        out
    }

    /// Until when a paste that was burnt at `at` is `Burnt` rather than `NotFound`.
    pub(super) fn tombstone(&self, at: Timestamp) -> Timestamp {
        self.expires_at.unwrap_or(at.after(TOMBSTONE_SECONDS))
    }

    /// The record as callers get it.
    pub(super) fn record(&self, id: &Id) -> Record {
        Record {
            paste: NewPaste {
                id: *id,
                header: self.header.to_owned(),
                burn: self.burn,
                read_hash: self.read_hash,
                delete_hash: self.delete_hash,
                expires_at: self.expires_at,
            },
            size: self.size,
            created_at: self.created_at,
            state: self.claim.map_or(State::Open, State::Claimed),
        }
    }
}

/// Bytes that are left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|b| b[0])
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(|b| u64::from_le_bytes(*b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paste(body: Body<'_>) -> Paste<'_> {
        Paste {
            burn: true,
            read_hash: [1; 32],
            delete_hash: [2; 32],
            created_at: Timestamp(3),
            expires_at: Some(Timestamp(100)),
            claim: Some(Claim { lease_hash: [4; 32], until: Timestamp(50) }),
            size: 5,
            header: "{}",
            body,
        }
    }

    #[test]
    fn reads_what_it_writes_and_nothing_shorter_or_longer() {
        for body in [Body::Inline(b"hello"), Body::Pieces(9)] {
            for claim in [None, paste(body).claim] {
                for expires_at in [None, Some(Timestamp(100))] {
                    let row = Row::Paste(Paste { claim, expires_at, ..paste(body) });
                    let bytes = row.encode();
                    assert_eq!(Row::decode(&bytes), Some(row));
                    assert!((0..bytes.len()).all(|n| Row::decode(&bytes[..n]).is_none()));
                    assert_eq!(Row::decode(&[&bytes[..], b"x"].concat()), None);
                }
            }
        }
        let bytes = Row::Burnt(Timestamp(7)).encode();
        assert_eq!(Row::decode(&bytes), Some(Row::Burnt(Timestamp(7))));
        assert!((0..bytes.len()).all(|n| Row::decode(&bytes[..n]).is_none()));
    }

    #[test]
    fn is_seen_until_its_lease_ends_burnt_until_it_expires_and_then_gone() {
        let row = Row::Paste(paste(Body::Pieces(9)));
        assert_eq!(row.due(), Some(Timestamp(50)));
        assert!(row.visible(Timestamp(49)).is_ok());
        assert!(matches!(row.visible(Timestamp(50)), Err(Error::Burnt)));
        assert!(matches!(row.visible(Timestamp(99)), Err(Error::Burnt)));
        assert!(matches!(row.visible(Timestamp(100)), Err(Error::NotFound)));
        let row = Row::Paste(Paste { expires_at: None, ..paste(Body::Pieces(9)) });
        assert!(matches!(row.visible(Timestamp(49 + TOMBSTONE_SECONDS)), Err(Error::Burnt)));
        assert!(matches!(row.visible(Timestamp(50 + TOMBSTONE_SECONDS)), Err(Error::NotFound)));
    }
}
