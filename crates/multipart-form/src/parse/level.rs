//! The stack of multiparts inside each other, each reading what the one around it takes for content.
//!
//! Nothing is copied from one level to the next: a level is told where its bytes lie ([`Bytes`]), and taking some of them is
//! told to every level below.

use alloc::vec::Vec;

use super::frame::{Framer, Line, Owed};
use crate::boundary::Boundary;
use crate::error::{Error, ErrorKind};

#[derive(Debug)]
pub(super) struct Level {
    pub(super) framer: Framer,
    pub(super) phase: Phase,
    /// Bytes before the first delimiter, and whether they are line ends alone (and which byte is due next).
    pub(super) preamble: u64,
    pub(super) blank: bool,
    pub(super) line_feed_due: bool,
    /// The part's body that this is: where it begins, the most bytes there may be of it (none for the form itself), and those that
    /// have been taken.
    pub(super) body_at: u64,
    pub(super) most: u64,
    pub(super) taken: u64,
    /// Data inside: the most that is told where what is more is cut off, and what was told.
    pub(super) limit: u64,
    pub(super) told: u64,
    /// The beginning of the name of the field that it is, for errors; empty for the form itself.
    pub(super) name: Vec<u8>,
}

/// What a level is reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Preamble,
    /// A delimiter line has been taken; a part is about to begin.
    Next,
    Header,
    Body,
    /// The part is a multipart, which the level above reads.
    Nested,
    /// The part is a multipart that is passed over.
    Passed,
    /// The close delimiter has been taken.
    Closed,
    Epilogue,
}

/// Where bytes lie.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bytes {
    /// The first so many of the input.
    Input(usize),
    /// The first so many of what this level's framer owes.
    Owed(usize, usize),
}

impl Bytes {
    /// At most the first `most` of them.
    fn first(self, most: usize) -> Self {
        match self {
            Self::Input(n) => Self::Input(n.min(most)),
            Self::Owed(level, n) => Self::Owed(level, n.min(most)),
        }
    }
}

/// What there is to read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Some(Bytes),
    /// More input is needed.
    Dry,
    /// The level below has met its own delimiter.
    End,
    /// The part that the level of this number reads has more bytes than it may.
    Full(usize),
}

impl Level {
    /// A level without limits.
    pub(super) fn new(boundary: Boundary, name: &[u8]) -> Self {
        Self {
            framer: Framer::new(boundary),
            phase: Phase::Preamble,
            preamble: 0,
            blank: true,
            line_feed_due: false,
            body_at: 0,
            most: u64::MAX,
            taken: 0,
            limit: u64::MAX,
            told: 0,
            name: name.to_vec(),
        }
    }
}

/// Takes the next `n` bytes as the last level's preamble, and sees whether they are line ends alone.
pub(super) fn pass_preamble(levels: &mut [Level], bytes: Bytes, n: usize, input: &mut &[u8]) {
    let Some(level) = levels.last() else { return };
    let (mut blank, mut line_feed_due) = (level.blank, level.line_feed_due);
    for &b in &resolve(levels, input, bytes)[..n] {
        if !blank {
            break;
        }
        blank = b == if line_feed_due { b'\n' } else { b'\r' };
        line_feed_due = !line_feed_due;
    }
    if let Some(level) = levels.last_mut() {
        level.preamble += n as u64;
        (level.blank, level.line_feed_due) = (blank, line_feed_due);
    }
    take(levels, levels.len(), n, input);
}

/// What the levels below the one that is numbered `above` have for it.
pub(super) fn source(levels: &mut [Level], above: usize, input: &mut &[u8]) -> Source {
    match above.checked_sub(1) {
        None if input.is_empty() => Source::Dry,
        None => Source::Some(Bytes::Input(input.len())),
        Some(below) => {
            let bytes = match content(levels, below, input) {
                Source::Some(bytes) => bytes,
                other => return other,
            };
            let Some(level) = levels.get(above) else { return Source::Some(bytes) };
            match usize::try_from(level.most - level.taken).unwrap_or(usize::MAX) {
                0 => Source::Full(above),
                left => Source::Some(bytes.first(left)),
            }
        }
    }
}

/// The content that the level numbered `at` has next.
pub(super) fn content(levels: &mut [Level], at: usize, input: &mut &[u8]) -> Source {
    loop {
        let framer = &levels[at].framer;
        if framer.line.is_some() {
            return Source::End;
        }
        if !framer.owed().is_empty() {
            return Source::Some(Bytes::Owed(at, framer.owed().len()));
        }
        let clean = framer.clean;
        let bytes = match source(levels, at, input) {
            Source::Some(bytes) => bytes,
            other => return other,
        };
        if clean > 0 {
            return Source::Some(bytes.first(clean));
        }
        let (below, here) = levels.split_at_mut(at);
        let Some(here) = here.first_mut() else { return Source::Dry };
        let taken = here.framer.look(resolve(below, input, bytes));
        take(levels, at, taken, input);
    }
}

/// The bytes themselves.
pub(super) fn resolve<'a>(levels: &'a [Level], input: &'a [u8], bytes: Bytes) -> &'a [u8] {
    match bytes {
        Bytes::Input(n) => &input[..n],
        Bytes::Owed(at, n) => &levels[at].framer.owed()[..n],
    }
}

/// Takes `n` bytes of what [`source`] gave the level numbered `above`: where they lay, if a framer owed them.
pub(super) fn take(levels: &mut [Level], above: usize, n: usize, input: &mut &[u8]) -> Option<(usize, Owed)> {
    if let Some(level) = levels.get_mut(above) {
        level.taken += n as u64;
    }
    let Some(below) = above.checked_sub(1) else {
        *input = &input[n..];
        return None;
    };
    let framer = &mut levels[below].framer;
    if framer.owed().is_empty() {
        framer.clean -= n;
        take(levels, below, n, input)
    } else {
        Some((below, framer.pay(n)))
    }
}

/// The line that ended the content of the last level, once it has.
pub(super) fn line(levels: &mut [Level]) -> Result<Line, Error> {
    let taken = levels.last_mut().and_then(|level| level.framer.line.take());
    match taken {
        Some(Line::Malformed) | None => Err(Error::new(ErrorKind::MalformedDelimiter)),
        Some(line) => Ok(line),
    }
}
