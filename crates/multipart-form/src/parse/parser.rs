//! [`Parser`]: the states of a form's parts.

use alloc::vec::Vec;

use super::frame::{Line, Owed};
use super::level::{Bytes, Level, Phase, Source, content, line, pass_preamble, resolve, source, take};
use crate::boundary::Boundary;
use crate::error::{Error, ErrorKind, FIELD_BYTES, Limit};
use crate::head::{Head, Index};
use crate::limits::{Limits, Overflow, Unlisted};
use crate::strict;

/// What a form is made of, in its order:
/// `(Part Data* End | Enter ... Leave)* Done`, where `...` is the same again without `Done`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A part begins.
    Part(Head<'a>),
    /// Some of the part's body: a slice of the input, or of the delimiter where bytes of an earlier chunk that looked like
    /// its beginning were not. Never empty. How a body is cut into slices depends on how it was pushed.
    Data(&'a [u8]),
    /// The part is complete.
    End,
    /// A part begins that is a multipart itself (only with [`Parser::nested`]); its parts follow.
    Enter(Head<'a>),
    /// The multipart inside is complete.
    Leave,
    /// The form is complete. What follows of the input is epilogue.
    Done,
}

/// Reads a form without doing I/O.
///
/// Memory: one header (at most [`Limits::header_bytes`], and 32 bytes for each field; twice that while it grows) and at most
/// 3 KiB for each level of nesting, whatever is sent. Bodies are never kept. Time is linear in the input, times the nesting depth.
/// What it tells, offsets included, does not depend on how the body was cut.
///
/// It reads whatever is a delimiter line from the start, so it may also be given a form from the middle, beginning with a
/// part's delimiter line.
#[derive(Debug)]
pub struct Parser {
    levels: Vec<Level>,
    limits: Limits,
    nested: bool,
    strict: bool,
    draining: bool,
    offset: u64,
    parts: u64,
    part: Part,
    /// The last event was [`Event::Enter`].
    entered: bool,
    /// The header that was read last: bytes that could not be left where they were, and where its fields are.
    block: Vec<u8>,
    index: Index,
    failed: Option<Error>,
}

/// The part that is being read.
#[derive(Debug, Default)]
struct Part {
    /// The beginning of its name, for errors: of the part around it where it has none itself.
    name: Vec<u8>,
    header_at: u64,
    limit: u64,
    taken: u64,
    dropped: u64,
    /// No data is wanted.
    mute: bool,
    /// Nothing is told of it.
    hidden: bool,
}

/// An event before its places are turned into slices.
enum Step<'i> {
    Part(Option<&'i [u8]>),
    Enter(Option<&'i [u8]>),
    Input(&'i [u8]),
    Owed(usize, Owed),
    End,
    Leave,
    Done,
}

impl Parser {
    /// A parser for a body with this boundary.
    #[must_use]
    pub fn new(boundary: Boundary, limits: Limits) -> Self {
        Self {
            levels: Vec::from([Level::new(boundary, &[])]),
            limits,
            nested: false,
            strict: false,
            draining: false,
            offset: 0,
            parts: 0,
            part: Part::default(),
            entered: false,
            block: Vec::new(),
            index: Index::default(),
            failed: None,
        }
    }

    /// Also reads parts that are a multipart themselves, and have a boundary of their own, as [`Event::Enter`] and
    /// [`Event::Leave`] with the parts between; otherwise such a part's body is data.
    #[must_use]
    pub fn nested(self, nested: bool) -> Self {
        Self { nested, ..self }
    }

    /// The strict form layer: a parser for a form with this Content-Type, which also refuses what RFC 7578 does not allow but
    /// MIME does: a type other than `multipart/form-data`, a part without Content-Disposition or with one that is not
    /// `form-data`, a part without a name, a multipart inside without a boundary, an unknown Content-Transfer-Encoding, two
    /// Content-Types or Content-Transfer-Encodings of one part.
    ///
    /// # Errors
    /// As [`Boundary::from_form_content_type`].
    pub fn strict(content_type: &[u8], limits: Limits) -> Result<Self, Error> {
        let boundary = Boundary::from_form_content_type(content_type)?;
        Ok(Self { strict: true, ..Self::new(boundary, limits) })
    }

    /// The next event, or `None` where more input is needed: then all of `input` has been taken. Bytes that have been taken are
    /// removed from the front of `input`; what is left belongs in front of what is pushed next.
    ///
    /// After [`Event::Done`], `input` holds what followed the close delimiter, untouched; going on passes over it, and counts it to the
    /// whole body's limit.
    ///
    /// # Errors
    /// Whatever is wrong with the form; the same again from then on.
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Event<'a>>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.entered = false;
        let left = self.limits.body_bytes.saturating_sub(self.offset);
        let cut = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let (mut view, start) = (&input[..cut], self.offset);
        let mut step = self.advance(&mut view);
        let taken = cut - view.len();
        *input = &input[taken..];
        self.offset = start + taken as u64;
        if matches!(step, Ok(None)) && !input.is_empty() {
            step = Err(Error::limit(Limit::BodyBytes, self.limits.body_bytes).at(self.offset));
        }
        match step {
            Ok(None) => Ok(None),
            Ok(Some(step)) => Ok(Some(self.event(step))),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Tells that the body has ended. Call it once all input has been pushed and pulled.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] unless the close delimiter has been read; the error that was met before, if one was.
    pub fn close(&mut self) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.is_done() { Ok(()) } else { Err(self.fail(Error::new(ErrorKind::UnexpectedEof).at(self.offset))) }
    }

    /// Whether the form's close delimiter has been read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.levels.len() == 1 && matches!(self.levels[0].phase, Phase::Closed | Phase::Epilogue)
    }

    /// Passes over the rest of the current part: no more [`Event::Data`] of it, and no limit on it but the whole body's and
    /// those of parts around it. Right after [`Event::Enter`] that is the whole multipart inside, unread: [`Event::Leave`] follows.
    pub fn skip(&mut self) {
        self.part.mute = true;
        if core::mem::take(&mut self.entered) {
            self.levels.pop();
            if let Some(level) = self.levels.last_mut() {
                level.phase = Phase::Passed;
            }
        }
    }

    /// Passes over everything that is left, so that a connection can be used again: the only event will be [`Event::Done`].
    /// Limits other than a part's size still hold; the strict layer's rules and the list of allowed fields do not.
    pub fn drain(&mut self) {
        self.draining = true;
        self.levels.iter_mut().for_each(|level| level.most = u64::MAX);
        (self.part.mute, self.part.hidden) = (true, true);
    }

    /// How many bytes of the current part, or of the one that just ended, were dropped by [`Overflow::Truncate`].
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.part.dropped
    }

    /// Bytes of input taken.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn fail(&mut self, mut error: Error) -> Error {
        error = error.at(self.position(0));
        if let Some(level) = self.levels.last() {
            let in_part = matches!(level.phase, Phase::Body | Phase::Passed);
            error = error.of(if in_part { &self.part.name } else { &level.name });
        }
        self.failed = Some(error.clone());
        error
    }

    /// Where in the body the bytes are that come next, once `taken` bytes have been taken of the current input: those that a
    /// framer holds have been taken too, how many depends on how the body was cut.
    fn position(&self, taken: usize) -> u64 {
        let held: usize = self.levels.iter().map(|level| level.framer.held()).sum();
        self.offset + taken as u64 - held as u64
    }

    fn event<'a, 'i: 'a>(&'a self, step: Step<'i>) -> Event<'a> {
        let head = |block: Option<&'i [u8]>| Head::new(block.unwrap_or(&self.block), &self.index);
        match step {
            Step::Part(block) => Event::Part(head(block)),
            Step::Enter(block) => Event::Enter(head(block)),
            Step::Input(bytes) => Event::Data(bytes),
            Step::Owed(level, owed) => Event::Data(self.levels[level].framer.paid(owed)),
            Step::End => Event::End,
            Step::Leave => Event::Leave,
            Step::Done => Event::Done,
        }
    }

    fn advance<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Step<'i>>, Error> {
        let whole = input.len();
        loop {
            let top = self.levels.len() - 1;
            match self.levels[top].phase {
                Phase::Preamble => {
                    match content(&mut self.levels, top, input) {
                        Source::Dry => return Ok(None),
                        Source::Full(at) => return Err(self.full(at)),
                        Source::Some(bytes) => self.preamble(bytes, whole, input)?,
                        Source::End => {
                            let close = self.line(top)? == Line::Close;
                            let level = &mut self.levels[top];
                            // A form that is closed before it began has lost its parts, unless there is nothing else.
                            if close && (!level.blank || level.line_feed_due) {
                                return Err(Error::new(ErrorKind::MalformedDelimiter));
                            }
                            level.phase = if close { Phase::Closed } else { Phase::Next };
                        }
                    }
                }
                Phase::Next => {
                    if self.parts >= self.limits.parts {
                        return Err(Error::limit(Limit::Parts, self.limits.parts));
                    }
                    self.parts += 1;
                    self.part.header_at = self.position(whole - input.len());
                    self.index.clear();
                    self.block.clear();
                    self.levels[top].phase = Phase::Header;
                }
                Phase::Header => match source(&mut self.levels, top, input) {
                    Source::Dry => return Ok(None),
                    Source::Full(at) => return Err(self.full(at)),
                    Source::End => return Err(Error::new(ErrorKind::UnexpectedEof)),
                    Source::Some(bytes) => {
                        let header = self
                            .header(top, bytes, input)
                            .map_err(|error| error.at(self.part.header_at + self.index.seen() as u64))?;
                        if let Some(block) = header
                            && let Some(step) = self.begin(top, block, whole - input.len())?
                        {
                            return Ok(Some(step));
                        }
                    }
                },
                phase @ (Phase::Body | Phase::Passed) => match content(&mut self.levels, top, input) {
                    Source::Dry => return Ok(None),
                    Source::Full(at) => return Err(self.full(at)),
                    Source::Some(bytes) => {
                        if let Some(step) = self.data(top, bytes, whole, input)? {
                            return Ok(Some(step));
                        }
                    }
                    Source::End => {
                        self.end_part(top)?;
                        if !self.part.hidden {
                            return Ok(Some(if phase == Phase::Passed { Step::Leave } else { Step::End }));
                        }
                    }
                },
                Phase::Nested => self.end_part(top)?,
                Phase::Closed => {
                    self.levels[top].phase = Phase::Epilogue;
                    if top == 0 {
                        return Ok(Some(Step::Done));
                    }
                    if !self.draining {
                        return Ok(Some(Step::Leave));
                    }
                }
                Phase::Epilogue if top == 0 => {
                    *input = &input[input.len()..];
                    return Ok(None);
                }
                Phase::Epilogue => match source(&mut self.levels, top, input) {
                    Source::Dry => return Ok(None),
                    Source::Full(at) => return Err(self.full(at)),
                    Source::Some(bytes) => {
                        let n = resolve(&self.levels, input, bytes).len();
                        take(&mut self.levels, top, n, input);
                    }
                    Source::End => {
                        self.levels.pop();
                    }
                },
            }
        }
    }

    /// The delimiter line that ended this level's content.
    fn line(&mut self, top: usize) -> Result<Line, Error> {
        if self.levels[top].framer.line.is_none() {
            // It was a line of a multipart around this one.
            return Err(Error::new(ErrorKind::UnexpectedEof));
        }
        line(&mut self.levels)
    }

    fn end_part(&mut self, top: usize) -> Result<(), Error> {
        let line = self.line(top)?;
        self.levels[top].phase = if line == Line::Close { Phase::Closed } else { Phase::Next };
        Ok(())
    }

    fn preamble(&mut self, bytes: Bytes, whole: usize, input: &mut &[u8]) -> Result<(), Error> {
        let level = &self.levels[self.levels.len() - 1];
        let left = self.limits.preamble_bytes - level.preamble;
        if left == 0 {
            let error = Error::limit(Limit::PreambleBytes, self.limits.preamble_bytes);
            return Err(error.at(self.position(whole - input.len())));
        }
        let n = resolve(&self.levels, input, bytes).len().min(usize::try_from(left).unwrap_or(usize::MAX));
        pass_preamble(&mut self.levels, bytes, n, input);
        Ok(())
    }

    /// Goes on with a header: its block once it is complete, `Some(None)` where that had to be copied.
    fn header<'i>(
        &mut self,
        top: usize,
        bytes: Bytes,
        input: &mut &'i [u8],
    ) -> Result<Option<Option<&'i [u8]>>, Error> {
        if let Bytes::Input(n) = bytes
            && self.block.is_empty()
        {
            let seen: &'i [u8] = &input[..n];
            let end = self.index.scan(seen, &self.limits)?;
            let taken = end.unwrap_or(n);
            let block = &seen[..taken];
            let mut place = Some(block);
            if end.is_none() {
                keep(&mut self.block, block, &self.limits);
            } else if self.index.folded() {
                self.index.unfold(block, &mut self.block);
                place = None;
            }
            take(&mut self.levels, top, taken, input);
            return Ok(end.map(|_| place));
        }
        let seen = resolve(&self.levels, input, bytes);
        // More than the limit is never looked at, so no more is copied.
        let most = usize::try_from(self.limits.header_bytes).unwrap_or(usize::MAX);
        let seen = &seen[..seen.len().min(most - self.block.len())];
        let before = self.block.len();
        keep(&mut self.block, seen, &self.limits);
        let end = self.index.scan(&self.block, &self.limits)?;
        let taken = end.unwrap_or(self.block.len());
        self.block.truncate(taken);
        if end.is_some() && self.index.folded() {
            let mut unfolded = Vec::with_capacity(self.block.len());
            self.index.unfold(&self.block, &mut unfolded);
            self.block = unfolded;
        }
        take(&mut self.levels, top, taken - before, input);
        Ok(end.map(|_| None))
    }

    /// Begins the part whose header is complete, `taken` bytes into the input; `None` where nothing is told of it.
    fn begin<'i>(&mut self, top: usize, block: Option<&'i [u8]>, taken: usize) -> Result<Option<Step<'i>>, Error> {
        let body_at = self.position(taken);
        let bytes = block.unwrap_or(&self.block);
        let finished = self.index.finish(bytes, body_at, &self.limits);
        let head = Head::new(bytes, &self.index);
        let name = head.name_raw();
        let name = name.as_deref();
        let of = name.unwrap_or(&self.levels[top].name);
        self.part.name.clear();
        self.part.name.extend_from_slice(&of[..of.len().min(FIELD_BYTES)]);
        let told = |error: Error| error.at(self.part.header_at).of(&self.part.name);
        finished.map_err(told)?;
        if self.strict && !self.draining {
            if top == 0 { strict::check(&head) } else { strict::inner(&head) }.map_err(told)?;
        }
        let mut hidden = self.draining;
        if let Some((allowed, otherwise)) = &self.limits.allowed
            && !hidden
            // A part without a name inside another is of that one's field.
            && !name.map_or(top > 0, |name| allowed.iter().any(|a| a.as_bytes() == name))
        {
            match otherwise {
                Unlisted::Skip => hidden = true,
                Unlisted::Refuse => return Err(told(Error::new(ErrorKind::UnknownField))),
            }
        }
        let own = name.and_then(|name| self.limits.fields.iter().find(|f| f.0.as_bytes() == name));
        let limit = match own {
            Some(field) => field.1,
            None if name.is_none() && top > 0 => self.part_limit(top),
            None => self.limits.part_bytes,
        };
        let inner = match head.content_type() {
            Some(value) if self.nested && !hidden && value.is_multipart() => value.boundary().ok(),
            _ => None,
        };
        let inner = inner.filter(|inner| self.levels.iter().all(|l| l.framer.boundary() != inner));
        if inner.is_some() && self.levels.len() as u64 >= self.limits.depth {
            return Err(told(Error::limit(Limit::Depth, self.limits.depth)));
        }
        (self.part.taken, self.part.dropped, self.part.limit) = (0, 0, limit);
        (self.part.mute, self.part.hidden) = (hidden, hidden);
        let level = &mut self.levels[top];
        level.framer.begin();
        level.phase = if inner.is_some() { Phase::Nested } else { Phase::Body };
        if let Some(inner) = inner {
            let mut level = Level::new(inner, &self.part.name);
            match self.limits.overflow {
                Overflow::Refuse => (level.body_at, level.most) = (body_at, limit),
                Overflow::Truncate => level.limit = limit,
            }
            self.levels.push(level);
            self.entered = true;
            return Ok(Some(Step::Enter(block)));
        }
        Ok(if hidden { None } else { Some(Step::Part(block)) })
    }

    /// The limit of the part that the level numbered `top` reads.
    fn part_limit(&self, top: usize) -> u64 {
        self.levels[top].most.min(self.levels[top].limit)
    }

    /// That fault: the part that the level numbered `at` reads is too large.
    fn full(&self, at: usize) -> Error {
        let level = &self.levels[at];
        Error::limit(Limit::PartBytes, level.most).at(level.body_at + level.most).of(&level.name)
    }

    /// The most bytes that the current part may still have, and the limit that says so: its own, or that of a part around it.
    fn left(&self) -> (u64, u64) {
        let around = self.levels.iter().skip(1).map(|level| (level.limit - level.told, level.limit));
        around.fold((self.part.limit - self.part.taken, self.part.limit), Ord::min)
    }

    fn data<'i>(
        &mut self,
        top: usize,
        bytes: Bytes,
        whole: usize,
        input: &mut &'i [u8],
    ) -> Result<Option<Step<'i>>, Error> {
        let mut n = match bytes {
            Bytes::Input(n) | Bytes::Owed(_, n) => n,
        };
        let mut drop = self.part.mute;
        if !drop {
            let (left, limit) = self.left();
            if left == 0 {
                if self.limits.overflow == Overflow::Refuse {
                    return Err(Error::limit(Limit::PartBytes, limit).at(self.position(whole - input.len())));
                }
                self.part.dropped += n as u64;
                drop = true;
            } else {
                n = n.min(usize::try_from(left).unwrap_or(usize::MAX));
                self.part.taken += n as u64;
                self.levels.iter_mut().skip(1).for_each(|level| level.told += n as u64);
            }
        }
        let slice: &'i [u8] = input;
        let owed = take(&mut self.levels, top + 1, n, input);
        Ok(match owed {
            _ if drop => None,
            Some((level, owed)) => Some(Step::Owed(level, owed)),
            None => Some(Step::Input(&slice[..n])),
        })
    }
}

/// Appends to a header, with room for no more than it may be.
fn keep(block: &mut Vec<u8>, bytes: &[u8], limits: &Limits) {
    let most = usize::try_from(limits.header_bytes).unwrap_or(usize::MAX);
    let free = block.capacity() - block.len();
    if bytes.len() > free {
        let double = block.capacity().saturating_mul(2).min(most);
        block.reserve_exact(bytes.len().max(double.saturating_sub(block.len())));
    }
    block.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn text(pieces: &[&[u8]]) -> Result<Vec<u8>, Error> {
        let (mut text, mut parser) = (Vec::new(), Parser::new(Boundary::new("x")?, Limits::default()));
        for mut input in pieces.iter().copied() {
            while let Some(event) = parser.next(&mut input)? {
                if let Event::Data(bytes) = event {
                    text.extend_from_slice(bytes);
                }
            }
        }
        parser.close()?;
        Ok(text)
    }

    #[test]
    fn a_boundary_that_was_none_leaves_nothing_behind() {
        let pieces: [&[u8]; 3] = [b"--x\r\n\r\n\r\n--x-", b"a\r\n--x", b"--"];
        assert_eq!(text(&pieces).unwrap(), b"\r\n--x-a");
        let padded = [b"--x".as_slice(), &[b' '; 1025], b"\r\n\r\n\r\n--xy\r\n--x--"].concat();
        assert_eq!(text(&[&padded]).unwrap(), b"\r\n--xy");
    }
}
