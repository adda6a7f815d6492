//! HTTP/2 frames as they pass (RFC 9113 section 4.1): what kinds come, how often, and where one ends. The HTTP library
//! reads them; this only looks on, so that a flood is noticed before it is worked through.

use tokio::time::Instant;

use crate::http::bucket::{BURST, Bucket};
use crate::http::limits::Http2Limits;

/// What a client's connection begins with (RFC 9113 section 3.4).
pub(in crate::http) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
/// On DATA and HEADERS.
const END_STREAM: u8 = 1;
/// On SETTINGS and PING.
const ACK: u8 = 1;
/// Window updates at once, beyond those that answer what was sent.
const UPDATES: u32 = 1000;
/// Bytes sent that a window update may answer. Clients wait for more before they send one.
const UPDATE_EVERY: usize = 1024;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) len: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

/// Finds the heads of frames in bytes that come in any pieces.
#[derive(Debug)]
pub(super) struct Scanner {
    head: [u8; HEAD],
    have: usize,
    /// Bytes until the next head begins.
    skip: u32,
}

impl Scanner {
    /// Looks at bytes of which the first `skip` are no frame.
    pub(super) fn new(skip: usize) -> Self {
        Self { head: [0; HEAD], have: 0, skip: u32::try_from(skip).unwrap_or(u32::MAX) }
    }

    /// Gives each head that ends in `data`.
    pub(super) fn feed(&mut self, mut data: &[u8], mut each: impl FnMut(Head)) {
        while !data.is_empty() {
            if self.skip > 0 {
                let skipped = data.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                self.skip -= u32::try_from(skipped).unwrap_or(self.skip);
                data = &data[skipped..];
                continue;
            }
            let taken = data.len().min(HEAD - self.have);
            self.head[self.have..self.have + taken].copy_from_slice(&data[..taken]);
            self.have += taken;
            data = &data[taken..];
            if self.have == HEAD {
                self.have = 0;
                let [a, b, c, kind, flags, s @ ..] = self.head;
                let head = Head {
                    len: u32::from_be_bytes([0, a, b, c]),
                    kind,
                    flags,
                    stream: u32::from_be_bytes(s) & (u32::MAX >> 1),
                };
                self.skip = head.len;
                each(head);
            }
        }
    }

    /// Whether the next byte begins a frame.
    pub(super) fn is_between(&self) -> bool {
        self.skip == 0 && self.have == 0
    }
}

/// Frames that there were too many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Flood {
    Resets,
    Pings,
    Settings,
    Others,
}

impl Flood {
    pub(super) fn debug_data(self) -> &'static [u8] {
        match self {
            Self::Resets => b"too many resets",
            Self::Pings => b"too many pings",
            Self::Settings => b"too many settings",
            Self::Others => b"too many control frames",
        }
    }
}

/// How many frames of each kind may still come.
#[derive(Debug)]
pub(super) struct Meter {
    resets: Bucket,
    pings: Bucket,
    settings: Bucket,
    others: Bucket,
    updates: Bucket,
    sent: usize,
    /// The last stream that the client opened.
    pub(super) last_stream: u32,
}

impl Meter {
    pub(super) fn new(limits: &Http2Limits, now: Instant) -> Self {
        let bucket = |rate: u32| Bucket::new(rate, rate.saturating_mul(BURST), now);
        Self {
            resets: bucket(limits.resets),
            pings: bucket(limits.pings),
            settings: bucket(limits.settings),
            others: bucket(limits.others),
            updates: Bucket::new(limits.others, UPDATES, now),
            sent: 0,
            last_stream: 0,
        }
    }

    /// Counts one frame that came.
    pub(super) fn came(&mut self, head: Head, now: Instant) -> Result<(), Flood> {
        let (bucket, flood) = match head.kind {
            // A request lets a client set the request's priority, too.
            HEADERS => {
                self.last_stream = self.last_stream.max(head.stream);
                self.others.earn(1);
                return Ok(());
            }
            DATA if head.len > 0 || head.flags & END_STREAM != 0 => return Ok(()),
            RST_STREAM => (&mut self.resets, Flood::Resets),
            PING if head.flags & ACK == 0 => (&mut self.pings, Flood::Pings),
            SETTINGS if head.flags & ACK == 0 => (&mut self.settings, Flood::Settings),
            WINDOW_UPDATE => (&mut self.updates, Flood::Others),
            // Empty pieces, priorities, continuations, acknowledgements, and what nobody knows.
            _ => (&mut self.others, Flood::Others),
        };
        if bucket.take(now) { Ok(()) } else { Err(flood) }
    }

    /// Bytes went out; the client will want to widen its windows.
    pub(super) fn went(&mut self, bytes: usize) {
        self.sent += bytes;
        // One for the stream's and one for the connection's window.
        self.updates.earn(u32::try_from(self.sent / UPDATE_EVERY).unwrap_or(u32::MAX).saturating_mul(2));
        self.sent %= UPDATE_EVERY;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(len: u32, kind: u8, flags: u8, stream: u32) -> Vec<u8> {
        let mut bytes = len.to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.resize(HEAD + len as usize, 0xff);
        bytes
    }

    #[test]
    fn any_pieces_give_the_same_heads() {
        let mut bytes = PREFACE.to_vec();
        let heads =
            [(0, SETTINGS, 0, 0), (300, HEADERS, 4, 1), (0, DATA, 1, 1), (70_000, DATA, 0, 3), (4, RST_STREAM, 0, 3)];
        for (len, kind, flags, stream) in heads {
            bytes.extend(frame(len, kind, flags, stream));
        }
        let expected: Vec<Head> =
            heads.iter().map(|&(len, kind, flags, stream)| Head { len, kind, flags, stream }).collect();
        for piece in [1, 2, 3, 7, 8, 9, 10, 25, 1000, bytes.len()] {
            let mut scanner = Scanner::new(PREFACE.len());
            let mut seen = Vec::new();
            for data in bytes.chunks(piece) {
                scanner.feed(data, |head| seen.push(head));
            }
            assert_eq!(seen, expected, "{piece}");
            assert!(scanner.is_between());
        }
        let mut scanner = Scanner::new(0);
        scanner.feed(&frame(5, PING, 0, 0)[..10], |_| {});
        assert!(!scanner.is_between());
    }

    #[test]
    fn floods_are_told_from_use() {
        let start = Instant::now();
        let limits = Http2Limits::default();
        let head = |kind, flags, len| Head { len, kind, flags, stream: 1 };
        let mut meter = Meter::new(&limits, start);
        for (kind, flags, rate, flood) in [
            (RST_STREAM, 0, limits.resets, Flood::Resets),
            (PING, 0, limits.pings, Flood::Pings),
            (SETTINGS, 0, limits.settings, Flood::Settings),
            (2, 0, limits.others, Flood::Others),
        ] {
            for _ in 0..rate * BURST {
                assert_eq!(meter.came(head(kind, flags, 4), start), Ok(()));
            }
            assert_eq!(meter.came(head(kind, flags, 4), start), Err(flood));
            // After a second it may go on at its rate.
            let later = start + Duration::from_secs(1);
            for _ in 0..rate {
                assert_eq!(meter.came(head(kind, flags, 4), later), Ok(()));
            }
            assert_eq!(meter.came(head(kind, flags, 4), later), Err(flood));
        }
        // Bodies and requests are no floods, and a download's window updates are not either.
        for _ in 0..1_000_000 {
            assert_eq!(meter.came(head(DATA, 0, 1), start), Ok(()));
            assert_eq!(meter.came(head(HEADERS, 4, 40), start), Ok(()));
            meter.went(16 * 1024);
            assert_eq!(meter.came(head(WINDOW_UPDATE, 0, 4), start), Ok(()));
            assert_eq!(meter.came(head(WINDOW_UPDATE, 0, 4), start), Ok(()));
        }
        // Without a download they are.
        assert!((0..2 * UPDATES).any(|_| meter.came(head(WINDOW_UPDATE, 0, 4), start).is_err()));
    }
}
