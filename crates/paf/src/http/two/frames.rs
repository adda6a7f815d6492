//! HTTP/2 frames as they pass (RFC 9113 section 4.1): what kinds come, how often, and where one ends. The HTTP library
//! reads them; this only looks on, so that a flood is noticed before it is worked through.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::http::bucket::{BURST, Bucket};
use crate::http::limits::Http2Limits;

/// What a client's connection begins with (RFC 9113 section 3.4).
pub(in crate::http) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEAD: usize = 9;
/// Of RST_STREAM and GOAWAY as much of the payload is looked at: it ends with the error code (RFC 9113 sections 6.4 and 6.8).
const CODE: usize = 4;
const LAST_AND_CODE: usize = 8;
/// And of the words behind the code as much as tells the HTTP library's own apart.
const WORDS: usize = 10;
const MOST: usize = HEAD + LAST_AND_CODE + WORDS;
const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// On DATA and HEADERS.
const END_STREAM: u8 = 1;
/// On HEADERS and CONTINUATION.
const END_HEADERS: u8 = 4;
/// On SETTINGS and PING.
const ACK: u8 = 1;
/// The error codes (RFC 9113 section 7) of a stream that is not HTTP, of a window that was overrun or widened too far, of frames on a
/// stream that is over, of one of a wrong length, and of a stream too many.
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const REFUSED_STREAM: u32 = 7;
/// The longest block of fields that is `:status` and nothing else, literal.
const STATUS_ALONE: u32 = 5;
/// Answers that are followed to their end.
const BEGUN: usize = 256;
/// Window updates at once, beyond those that answer what was sent.
const UPDATES: u32 = 1000;
/// Bytes sent that a window update may answer. Clients wait for more before they send one.
const UPDATE_EVERY: usize = 1024;

/// The head of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) len: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    /// The error code of RST_STREAM and GOAWAY, 0 of others.
    pub(super) code: u32,
    /// How the words of GOAWAY begin, where it has as many.
    words: [u8; WORDS],
}

/// Finds the heads of frames in bytes that come in any pieces.
#[derive(Debug)]
pub(super) struct Scanner {
    head: [u8; MOST],
    have: usize,
    /// Bytes of `head` that are to be there.
    most: usize,
    /// Bytes until the next head begins.
    skip: u32,
    /// Whether a block of fields goes on in the next frame.
    in_block: bool,
    /// How many frames came whole, and blocks of fields.
    whole: u64,
}

/// What has begun and is not all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// DATA, of which so many bytes are missing.
    Data(u32),
    /// Another frame, or a block of fields.
    Other,
}

impl Scanner {
    /// Looks at bytes of which the first `skip` are no frame.
    pub(super) fn new(skip: usize) -> Self {
        let mut head = [0; MOST];
        // What is skipped is no data.
        head[3] = SETTINGS;
        let skip = u32::try_from(skip).unwrap_or(u32::MAX);
        Self { head, have: 0, most: HEAD, skip, in_block: false, whole: 0 }
    }

    /// Gives each head that ends in `data`.
    pub(super) fn feed(&mut self, mut data: &[u8], mut each: impl FnMut(Head)) {
        while !data.is_empty() {
            if self.skip > 0 {
                let skipped = data.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                self.skip -= u32::try_from(skipped).unwrap_or(self.skip);
                data = &data[skipped..];
                self.count_whole();
                continue;
            }
            let taken = data.len().min(self.most - self.have);
            self.head[self.have..self.have + taken].copy_from_slice(&data[..taken]);
            self.have += taken;
            data = &data[taken..];
            if self.have < self.most {
                continue;
            }
            let [a, b, c, kind, flags, s0, s1, s2, s3, rest @ ..] = self.head;
            let len = u32::from_be_bytes([0, a, b, c]);
            let looked = match kind {
                RST_STREAM => CODE,
                GOAWAY if len as usize >= MOST - HEAD => MOST - HEAD,
                GOAWAY => LAST_AND_CODE,
                _ => 0,
            };
            if self.most == HEAD && looked > 0 && usize::try_from(len).is_ok_and(|len| len >= looked) {
                self.most = HEAD + looked;
                continue;
            }
            let code = match self.most - HEAD {
                CODE => [rest[0], rest[1], rest[2], rest[3]],
                0 => [0; 4],
                _ => [rest[4], rest[5], rest[6], rest[7]],
            };
            let mut words = [0; WORDS];
            if self.most == MOST {
                words.copy_from_slice(&rest[LAST_AND_CODE..]);
            }
            self.skip = len - u32::try_from(self.most - HEAD).unwrap_or(len);
            (self.have, self.most) = (0, HEAD);
            let stream = u32::from_be_bytes([s0, s1, s2, s3]) & (u32::MAX >> 1);
            if matches!(kind, HEADERS | CONTINUATION) {
                self.in_block = flags & END_HEADERS == 0;
            }
            each(Head { len, kind, flags, stream, code: u32::from_be_bytes(code), words });
            self.count_whole();
        }
    }

    fn count_whole(&mut self) {
        if self.skip == 0 && !self.in_block {
            self.whole += 1;
        }
    }

    /// How many frames came whole; those of a block of fields are one.
    pub(super) fn whole(&self) -> u64 {
        self.whole
    }

    /// What is missing of the frame that comes, or of the block of fields that it belongs to.
    pub(super) fn unfinished(&self) -> Option<Unfinished> {
        match self.head[3] {
            DATA if self.skip > 0 => Some(Unfinished::Data(self.skip)),
            _ if self.in_block || !self.is_between() => Some(Unfinished::Other),
            _ => None,
        }
    }

    /// Whether the next byte begins a frame.
    pub(super) fn is_between(&self) -> bool {
        self.skip == 0 && self.have == 0
    }
}

/// What the HTTP library refuses by itself, without the handler being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// A request that is not HTTP.
    Malformed,
    /// A head of more bytes than allowed.
    HeadTooLarge,
    /// A stream more than may be open.
    Stream,
    /// More than the window of a stream or of the connection allowed.
    Window,
}

/// Tells what the HTTP library refuses, by the frames that go out.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Streams whose answer has begun and not ended, the last [`BEGUN`] of them.
    begun: VecDeque<u32>,
    /// The last stream that was refused.
    last: u32,
    /// Streams whose window the client widened after the last data that it sent on them, the last [`BEGUN`] of them; 0 is the connection.
    widened: VecDeque<u32>,
}

impl Refusals {
    /// A frame came.
    pub(super) fn came(&mut self, head: Head) {
        let at = self.widened.iter().rposition(|widened| *widened == head.stream);
        match (head.kind, at) {
            (RST_STREAM, _) => drop(self.over(head.stream)),
            (WINDOW_UPDATE, None) => {
                if self.widened.len() >= BEGUN {
                    self.widened.pop_front();
                }
                self.widened.push_back(head.stream);
            }
            (DATA, Some(at)) => drop(self.widened.remove(at)),
            _ => {}
        }
    }

    /// A frame goes out.
    pub(super) fn went(&mut self, head: Head) -> Option<Own> {
        let ends = head.flags & END_STREAM != 0;
        let own = match (head.kind, head.code) {
            (HEADERS, _) if !ends => {
                if self.begun.len() >= BEGUN {
                    self.begun.pop_front();
                }
                self.begun.push_back(head.stream);
                return None;
            }
            // Every answer to a request that the handler saw has its date; the library's own has its status, 431, alone.
            (HEADERS, _) if !self.over(head.stream) && head.len <= STATUS_ALONE => Own::HeadTooLarge,
            (DATA, _) if ends => {
                self.over(head.stream);
                return None;
            }
            (RST_STREAM, code) => {
                self.over(head.stream);
                match code {
                    // After an answer of the library's own it only ends the request.
                    PROTOCOL_ERROR if head.stream != self.last => Own::Malformed,
                    REFUSED_STREAM => Own::Stream,
                    // A window that is made too wide ends its stream with the same code, and lets nothing overrun it.
                    FLOW_CONTROL_ERROR if !self.widened.contains(&head.stream) => Own::Window,
                    _ => return None,
                }
            }
            (GOAWAY, FLOW_CONTROL_ERROR) if !self.widened.contains(&0) => Own::Window,
            _ => return None,
        };
        self.last = head.stream;
        Some(own)
    }

    /// A stream's answer is over; whether it had begun.
    fn over(&mut self, stream: u32) -> bool {
        let at = self.begun.iter().position(|begun| *begun == stream);
        at.and_then(|at| self.begun.swap_remove_back(at)).is_some()
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
    /// What the HTTP library found too many of, where that is why it ends the connection: it has bounds of its own, on what comes in one
    /// piece.
    pub(super) fn of_library(end: Head) -> Option<Self> {
        match &end.words {
            // "too_many_resets", "too_many_internal_resets".
            b"too_many_r" | b"too_many_i" => Some(Self::Resets),
            // "too_many_continuations", "too_many_data_frames".
            b"too_many_c" | b"too_many_d" => Some(Self::Others),
            _ => None,
        }
    }

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

    /// A frame goes out. A stream that is reset by the client's fault counts as one that it resets: its handler was started for
    /// nothing all the same.
    pub(super) fn reset(&mut self, head: Head, now: impl FnOnce() -> Instant) -> Result<(), Flood> {
        let is_provoked = head.kind == RST_STREAM
            && matches!(head.code, PROTOCOL_ERROR | FLOW_CONTROL_ERROR | STREAM_CLOSED | FRAME_SIZE_ERROR);
        if !is_provoked || self.resets.take(now()) { Ok(()) } else { Err(Flood::Resets) }
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
        let heads = [
            (0, SETTINGS, 0, 0, 0),
            (300, HEADERS, 4, 1, 0),
            (0, DATA, 1, 1, 0),
            (70_000, DATA, 0, 3, 0),
            (4, RST_STREAM, 0, 3, 0x0101_0102),
            // Shorter than it has to be, which is for the HTTP library to refuse.
            (3, RST_STREAM, 0, 5, 0),
            (20, GOAWAY, 0, 0, 0x0202_0203),
        ];
        let said = |kind| if kind == GOAWAY { [0xff; WORDS] } else { [0; WORDS] };
        for (len, kind, flags, stream, code) in heads {
            let mut frame = frame(len, kind, flags, stream);
            let at = if kind == GOAWAY { HEAD + 4 } else { HEAD };
            if code != 0 {
                frame[at..at + 4].copy_from_slice(&u32::to_be_bytes(code));
            }
            bytes.extend(frame);
        }
        let expected: Vec<Head> = heads
            .iter()
            .map(|&(len, kind, flags, stream, code)| Head { len, kind, flags, stream, code, words: said(kind) })
            .collect();
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
    fn what_is_missing_is_known_at_every_byte() {
        let bytes = [
            frame(0, SETTINGS, 0, 0),
            frame(5, DATA, 0, 1),
            frame(0, HEADERS, 0, 3),
            frame(3, CONTINUATION, 0, 3),
            frame(2, CONTINUATION, END_HEADERS, 3),
            frame(4, RST_STREAM, 0, 3),
        ]
        .concat();
        let mut scanner = Scanner::new(0);
        let (mut missing, mut whole) = (Vec::new(), Vec::new());
        for (at, byte) in bytes.iter().enumerate() {
            scanner.feed(&[*byte], |_| {});
            match scanner.unfinished() {
                Some(Unfinished::Data(left)) => missing.push((at, left)),
                Some(Unfinished::Other) => {}
                None => whole.push((at, scanner.whole())),
            }
        }
        assert_eq!(missing, [(17, 5), (18, 4), (19, 3), (20, 2), (21, 1)]);
        assert_eq!(whole, [(8, 1), (22, 2), (54, 3), (67, 4)]);
    }

    #[test]
    fn floods_are_told_from_use() {
        let start = Instant::now();
        let limits = Http2Limits::default();
        let head = |kind, flags, len| Head { len, kind, flags, stream: 1, ..Head::default() };
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

    #[test]
    fn refusals_are_told_from_answers() {
        let mut refusals = Refusals::default();
        let mut went =
            |kind, flags, stream, len, code| refusals.went(Head { len, kind, flags, stream, code, ..Head::default() });
        // An answer with its body, one with trailers, and one whose client took it back.
        assert_eq!(went(HEADERS, 4, 1, 40, 0), None);
        assert_eq!(went(DATA, END_STREAM, 1, 40, 0), None);
        assert_eq!(went(HEADERS, 4, 3, 3, 0), None);
        assert_eq!(went(HEADERS, 4 | END_STREAM, 3, 1, 0), None);
        assert_eq!(went(HEADERS, 4 | END_STREAM, 5, 6, 0), None);
        assert_eq!(went(RST_STREAM, 0, 5, 4, 8), None);
        // What the library says by itself.
        assert_eq!(went(HEADERS, 4 | END_STREAM, 7, 5, 0), Some(Own::HeadTooLarge));
        assert_eq!(went(RST_STREAM, 0, 7, 4, PROTOCOL_ERROR), None);
        assert_eq!(went(HEADERS, 4 | END_STREAM, 9, 1, 0), Some(Own::HeadTooLarge));
        assert_eq!(went(RST_STREAM, 0, 11, 4, PROTOCOL_ERROR), Some(Own::Malformed));
        assert_eq!(went(RST_STREAM, 0, 13, 4, REFUSED_STREAM), Some(Own::Stream));
        assert_eq!(went(RST_STREAM, 0, 15, 4, FLOW_CONTROL_ERROR), Some(Own::Window));
        assert_eq!(went(GOAWAY, 0, 0, 8, FLOW_CONTROL_ERROR), Some(Own::Window));
        assert_eq!(went(GOAWAY, 0, 0, 8, 0), None);
        for stream in 0..2000 {
            went(HEADERS, 4, stream, 40, 0);
        }
        assert_eq!(refusals.begun.len(), BEGUN);
    }

    #[test]
    fn a_window_that_is_overrun_is_told_from_one_that_is_made_too_wide() {
        let head = |kind, stream, code| Head { len: 4, kind, stream, code, ..Head::default() };
        let mut refusals = Refusals::default();
        refusals.came(head(WINDOW_UPDATE, 1, 0));
        assert_eq!(refusals.went(head(RST_STREAM, 3, FLOW_CONTROL_ERROR)), Some(Own::Window));
        assert_eq!(refusals.went(head(RST_STREAM, 1, FLOW_CONTROL_ERROR)), None);
        refusals.came(head(DATA, 1, 0));
        assert_eq!(refusals.went(head(RST_STREAM, 1, FLOW_CONTROL_ERROR)), Some(Own::Window));
        assert_eq!(refusals.went(head(GOAWAY, 0, FLOW_CONTROL_ERROR)), Some(Own::Window));
        refusals.came(head(WINDOW_UPDATE, 0, 0));
        assert_eq!(refusals.went(head(GOAWAY, 0, FLOW_CONTROL_ERROR)), None);
        for stream in 0..2000 {
            refusals.came(head(WINDOW_UPDATE, stream, 0));
        }
        assert_eq!(refusals.widened.len(), BEGUN);
    }
}
