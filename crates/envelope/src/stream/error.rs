//! What can go wrong with a stream.

use core::fmt;

use super::{HEADER_LEN, TAG_LEN};

/// The AEAD failed: in opening, the segment is not what was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AeadError;

impl fmt::Display for AeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AES-256-GCM refused the segment")
    }
}

impl core::error::Error for AeadError {}

/// Why a stream cannot be sealed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// It has [`super::MAX_SEGMENTS`] segments.
    TooLong,
    /// It was finished before: a misuse of [`super::Sealer`].
    Finished,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "a paste has at most 2^32 - 1 segments of 1 MiB",
            Self::Finished => "the stream was finished before",
        })
    }
}

impl core::error::Error for SealError {}

/// Why a stream is refused. Once refused it stays so: [`super::Opener`] gives the same error ever after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The header's first byte, which has to be 40, is this.
    Header(u8),
    /// It ends after this many bytes, where no stream can end.
    Truncated(u64),
    /// It has more than [`super::MAX_SEGMENTS`] segments.
    TooLong,
    /// The AEAD refused this segment.
    Refused(u32),
    /// It was finished before: a misuse.
    Finished,
    /// A segment was handed back out of turn, or before it was handed out: a misuse.
    Turn {
        /// The segment whose turn it is.
        due: u32,
        /// The segment that came.
        came: u32,
    },
    /// Not all segments were accepted when the stream was closed: a misuse, or the end was never reached.
    Unfinished,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(first) => {
                write!(f, "this is not a sealed paste: its first byte is {first}, where {HEADER_LEN} belongs")
            }
            Self::Truncated(at) => write!(f, "the paste was cut: it ends after {at} bytes, where none can end"),
            Self::TooLong => f.write_str("the paste is longer than any: more than 2^32 - 1 segments of 1 MiB"),
            Self::Refused(0) => {
                f.write_str("the paste does not open: it or its public header was altered, or the key is not its own")
            }
            Self::Refused(index) => {
                write!(f, "the paste was altered or cut in segment {index}: that segment does not open")
            }
            Self::Finished => f.write_str("the stream was finished before"),
            Self::Turn { due, came } => write!(f, "segment {came} was handed back where segment {due} was due"),
            Self::Unfinished => f.write_str("the stream was closed before its last segment was opened"),
        }
    }
}

impl core::error::Error for OpenError {}

/// Why no stream has this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// It is shorter than a header and a tag, or its last segment would be empty.
    Length(u64),
    /// It has more than [`super::MAX_SEGMENTS`] segments.
    TooLong(u64),
    /// A segment's bytes are not as many as the plan has for it.
    Segment {
        /// The bytes the plan has for it.
        planned: u64,
        /// The bytes that came.
        came: u64,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(len) => write!(
                f,
                "no sealed paste is {len} bytes long: a header is {HEADER_LEN} bytes, and each segment has a tag of {TAG_LEN}"
            ),
            Self::TooLong(len) => {
                write!(f, "no sealed paste is {len} bytes long: more than 2^32 - 1 segments of 1 MiB")
            }
            Self::Segment { planned, came } => write!(f, "a segment of {planned} bytes came with {came}"),
        }
    }
}

impl core::error::Error for PlanError {}
