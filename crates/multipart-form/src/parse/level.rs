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
    /// Bytes of the bodies inside: the most there may be, and those there were.
    pub(super) limit: u64,
    pub(super) taken: u64,
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

/// What there is to read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Some(Bytes),
    /// More input is needed.
    Dry,
    /// The level below has met its own delimiter.
    End,
}

impl Level {
    pub(super) fn new(boundary: Boundary, limit: u64, name: &[u8]) -> Self {
        Self {
            framer: Framer::new(boundary),
            phase: Phase::Preamble,
            preamble: 0,
            blank: true,
            line_feed_due: false,
            limit,
            taken: 0,
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
        Some(below) => content(levels, below, input),
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
            return Source::Some(match bytes {
                Bytes::Input(n) => Bytes::Input(n.min(clean)),
                Bytes::Owed(level, n) => Bytes::Owed(level, n.min(clean)),
            });
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
