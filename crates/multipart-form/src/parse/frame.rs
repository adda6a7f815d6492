//! One multipart's framing: which bytes are content, and where a delimiter line is (RFC 2046, section 5.1.1).
//!
//! A delimiter line is CR LF `--` boundary, then `--`, or any spaces and tabs and CR LF; anything else that begins like one
//! is content. Bytes at a chunk's end that may become a delimiter are remembered as a length, not kept: if they turn out to
//! be content they are handed out from the delimiter itself. Only padding behind a boundary has to be kept, up to
//! [`PADDING`] bytes; a longer padding cannot be content any more.

use alloc::vec::Vec;

use super::scan::Scanner;
use crate::boundary::Boundary;

/// Spaces and tabs behind a boundary that are still taken for content if no line end follows.
pub(crate) const PADDING: usize = 1024;

#[derive(Debug)]
pub(crate) struct Framer {
    boundary: Boundary,
    scanner: Scanner,
    /// Bytes of the delimiter that have matched, and how many of these were granted: a line start that is not in the input
    /// here, since the body begins, or since the blank line behind a header has just been taken.
    matched: usize,
    granted: usize,
    after: After,
    /// What came behind a complete boundary, while it is open what it is.
    tail: Vec<u8>,
    overlong: bool,
    /// Content that is no more in the input: a part of the delimiter, then a part of `tail`.
    owed: (usize, usize),
    owed_tail: (usize, usize),
    /// Bytes at the front of the input that are known to be content.
    pub(super) clean: usize,
    /// Behind them stands a whole delimiter.
    found: bool,
    /// A delimiter line that has been taken and not yet acted upon.
    pub(super) line: Option<Line>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Nothing,
    Dash,
    Padding,
    Cr,
}

/// Kinds of delimiter lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A part follows.
    Open,
    /// The multipart is complete.
    Close,
    /// Padding that does not end.
    Malformed,
}

impl Framer {
    pub(crate) fn new(boundary: Boundary) -> Self {
        Self {
            scanner: Scanner::new(boundary.delimiter()),
            boundary,
            matched: 2,
            granted: 2,
            after: After::Nothing,
            tail: Vec::new(),
            overlong: false,
            owed: (0, 0),
            owed_tail: (0, 0),
            clean: 0,
            found: false,
            line: None,
        }
    }

    pub(crate) fn boundary(&self) -> &Boundary {
        &self.boundary
    }

    /// Content begins at a line start.
    pub(crate) fn begin(&mut self) {
        (self.matched, self.granted) = (2, 2);
        self.line = None;
    }

    /// Content that is no more in the input.
    pub(super) fn owed(&self) -> &[u8] {
        if self.owed.0 < self.owed.1 {
            &self.boundary.delimiter()[self.owed.0..self.owed.1]
        } else {
            &self.tail[self.owed_tail.0..self.owed_tail.1]
        }
    }

    /// How many bytes have been taken of the input that are not known to be a delimiter, and that have not been handed out.
    pub(super) fn held(&self) -> usize {
        let owed = (self.owed.1 - self.owed.0) + (self.owed_tail.1 - self.owed_tail.0);
        let matched = self.matched - self.granted;
        if owed > 0 || self.matched < self.boundary.delimiter().len() {
            // Behind what is owed, a CR may begin the next delimiter.
            return owed + matched;
        }
        matched + self.tail.len() + usize::from(self.after == After::Cr)
    }

    /// Marks the first `n` bytes of [`owed`](Self::owed) as taken.
    pub(super) fn pay(&mut self, n: usize) -> Owed {
        if self.owed.0 < self.owed.1 {
            let at = self.owed.0;
            self.owed.0 += n;
            Owed::Delimiter(at, at + n)
        } else {
            let at = self.owed_tail.0;
            self.owed_tail.0 += n;
            Owed::Tail(at, at + n)
        }
    }

    pub(super) fn paid(&self, owed: Owed) -> &[u8] {
        match owed {
            Owed::Delimiter(from, to) => &self.boundary.delimiter()[from..to],
            Owed::Tail(from, to) => &self.tail[from..to],
        }
    }

    /// Looks at `input`, while nothing is owed or clean and no line is pending: how many of its bytes are done with.
    /// Afterwards there is something owed, clean or pending, or all of the input is taken.
    pub(super) fn look(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        while at < input.len() {
            let delimiter = self.boundary.delimiter();
            if self.matched == 0 {
                let rest = &input[at..];
                let found = if core::mem::take(&mut self.found) { Some(0) } else { self.scanner.find(delimiter, rest) };
                let content = match found {
                    Some(0) => {
                        (self.matched, self.granted) = (delimiter.len(), 0);
                        self.matched_all();
                        at += self.matched;
                        continue;
                    }
                    Some(n) => {
                        self.found = true;
                        n
                    }
                    None => match rest.len() - Scanner::partial(delimiter, rest) {
                        0 => {
                            (self.matched, self.granted) = (rest.len(), 0);
                            return input.len();
                        }
                        n => n,
                    },
                };
                self.clean = content;
                return at;
            }
            let whole = delimiter.len();
            if self.matched < whole {
                let common = input[at..].iter().zip(&delimiter[self.matched..]).take_while(|(a, b)| a == b).count();
                self.matched += common;
                at += common;
                if self.matched == whole {
                    self.matched_all();
                } else if at < input.len() {
                    self.owed = (self.granted, self.matched);
                    self.owed_tail = (0, 0);
                    (self.matched, self.granted) = (0, 0);
                    if self.owed.0 < self.owed.1 {
                        return at;
                    }
                }
                continue;
            }
            match self.behind(input[at]) {
                Behind::Part => at += 1,
                Behind::Line(line) => {
                    self.line = Some(line);
                    (self.matched, self.granted, self.after) = (0, 0, After::Nothing);
                    self.tail.clear();
                    return at + 1;
                }
                Behind::Content => return at,
            }
        }
        at
    }

    fn matched_all(&mut self) {
        self.after = After::Nothing;
        self.tail.clear();
        self.owed_tail = (0, 0);
        self.overlong = false;
    }

    /// A byte behind a complete boundary.
    fn behind(&mut self, byte: u8) -> Behind {
        match (self.after, byte) {
            (After::Nothing, b'-') => {
                self.tail.push(byte);
                self.after = After::Dash;
            }
            (After::Dash, b'-') => return Behind::Line(Line::Close),
            (After::Nothing | After::Padding, b' ' | b'\t') => {
                if self.tail.len() < PADDING {
                    self.tail.push(byte);
                } else {
                    self.overlong = true;
                }
                self.after = After::Padding;
            }
            (After::Nothing | After::Padding, b'\r') => self.after = After::Cr,
            (After::Cr, b'\n') => return Behind::Line(Line::Open),
            _ if self.overlong => return Behind::Line(Line::Malformed),
            _ => {
                self.owed = (self.granted, self.boundary.delimiter().len());
                self.owed_tail = (0, self.tail.len());
                // The CR that was taken may begin the next delimiter.
                self.matched = usize::from(self.after == After::Cr);
                self.granted = 0;
                self.after = After::Nothing;
                return Behind::Content;
            }
        }
        Behind::Part
    }
}

enum Behind {
    Part,
    Line(Line),
    Content,
}

/// A place of content that was owed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owed {
    Delimiter(usize, usize),
    Tail(usize, usize),
}
