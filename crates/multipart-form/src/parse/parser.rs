//! [`Parser`]: the states of a form's parts.

use alloc::vec::Vec;

use super::frame::{Line, Owed};
use super::level::{Bytes, Level, Phase, Source, content, line, resolve, source, take};
use crate::boundary::Boundary;
use crate::error::{Error, ErrorKind, Limit};
use crate::head::Head;
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
    failed: Option<Error>,
}

/// The part that is being read.
#[derive(Debug, Default)]
struct Part {
    /// The beginning of its name, for errors.
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
            levels: Vec::from([Level::new(boundary)]),
            limits,
            nested: false,
            strict: false,
            draining: false,
            offset: 0,
            parts: 0,
            part: Part::default(),
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
    /// `form-data`, a part without a name, a multipart inside without a boundary, an unknown Content-Transfer-Encoding.
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
    /// After [`Event::Done`], `input` holds what followed the close delimiter, untouched; going on passes over it.
    ///
    /// # Errors
    /// Whatever is wrong with the form; the same again from then on.
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Event<'a>>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let left = self.limits.body_bytes.saturating_sub(self.offset);
        let cut = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let (mut view, start) = (&input[..cut], self.offset);
        let mut step = self.advance(&mut view);
        let taken = cut - view.len();
        *input = &input[taken..];
        self.offset = start + taken as u64;
        if matches!(step, Ok(None)) && !input.is_empty() {
            step = Err(Error::limit(Limit::BodyBytes, self.limits.body_bytes));
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
        if self.is_done() { Ok(()) } else { Err(self.fail(Error::new(ErrorKind::UnexpectedEof))) }
    }

    /// Whether the form's close delimiter has been read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.levels.len() == 1 && matches!(self.levels[0].phase, Phase::Closed | Phase::Epilogue)
    }

    /// Passes over the rest of the current part: no more [`Event::Data`] of it, and no limit on it but the whole body's.
    pub fn skip(&mut self) {
        self.part.mute = true;
    }

    /// Passes over everything that is left: the only event will be [`Event::Done`]. Limits other than a part's size still hold.
    pub fn drain(&mut self) {
        self.draining = true;
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
        error = error.at(self.offset);
        let in_part = matches!(self.levels.last().map(|l| l.phase), Some(Phase::Body));
        if in_part {
            error = error.of(&self.part.name);
        }
        self.failed = Some(error.clone());
        error
    }

    fn event<'a, 'i: 'a>(&'a self, step: Step<'i>) -> Event<'a> {
        // A header that is entered belongs to the level below the one it opened.
        let head = |level: usize, block: Option<&'i [u8]>| {
            let level = &self.levels[level];
            Head::new(block.unwrap_or(&level.block), &level.index)
        };
        let top = self.levels.len() - 1;
        match step {
            Step::Part(block) => Event::Part(head(top, block)),
            Step::Enter(block) => Event::Enter(head(top - 1, block)),
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
                        Source::Some(bytes) => self.preamble(top, bytes, input)?,
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
                    self.part.header_at = self.offset + (whole - input.len()) as u64;
                    let level = &mut self.levels[top];
                    level.index.clear();
                    level.block.clear();
                    level.phase = Phase::Header;
                }
                Phase::Header => match source(&mut self.levels, top, input) {
                    Source::Dry => return Ok(None),
                    Source::End => return Err(Error::new(ErrorKind::UnexpectedEof)),
                    Source::Some(bytes) => {
                        let header = self
                            .header(top, bytes, input)
                            .map_err(|error| error.at(self.part.header_at + self.levels[top].index.seen() as u64))?;
                        if let Some(block) = header
                            && let Some(step) = self.begin(top, block)?
                        {
                            return Ok(Some(step));
                        }
                    }
                },
                Phase::Body => match content(&mut self.levels, top, input) {
                    Source::Dry => return Ok(None),
                    Source::Some(bytes) => {
                        if let Some(step) = self.data(top, bytes, input)? {
                            return Ok(Some(step));
                        }
                    }
                    Source::End => {
                        self.end_part(top)?;
                        if !self.part.hidden {
                            return Ok(Some(Step::End));
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

    fn preamble(&mut self, top: usize, bytes: Bytes, input: &mut &[u8]) -> Result<(), Error> {
        let (below, here) = self.levels.split_at_mut(top);
        let n = match bytes {
            Bytes::Input(n) => {
                here[0].skip_preamble(&input[..n]);
                n
            }
            Bytes::Owed(level, n) if level == top => {
                here[0].skip_owed_preamble();
                n
            }
            Bytes::Owed(..) => {
                let bytes = resolve(below, input, bytes);
                here[0].skip_preamble(bytes);
                bytes.len()
            }
        };
        take(&mut self.levels, top + 1, n, input);
        if self.levels[top].preamble > self.limits.preamble_bytes {
            return Err(Error::limit(Limit::PreambleBytes, self.limits.preamble_bytes));
        }
        Ok(())
    }

    /// Goes on with a header: its block once it is complete, `Some(None)` where that had to be copied.
    fn header<'i>(
        &mut self,
        top: usize,
        bytes: Bytes,
        input: &mut &'i [u8],
    ) -> Result<Option<Option<&'i [u8]>>, Error> {
        let (below, here) = self.levels.split_at_mut(top);
        let level = &mut here[0];
        if let Bytes::Input(n) = bytes
            && level.block.is_empty()
        {
            let seen: &'i [u8] = &input[..n];
            let end = level.index.scan(seen, &self.limits)?;
            let taken = end.unwrap_or(n);
            let block = &seen[..taken];
            let mut place = Some(block);
            if end.is_none() {
                keep(&mut level.block, block, &self.limits);
            } else if level.index.folded() {
                level.index.unfold(block, &mut level.block);
                place = None;
            }
            take(&mut self.levels, top, taken, input);
            return Ok(end.map(|_| place));
        }
        let seen = resolve(below, input, bytes);
        // More than the limit is never looked at, so no more is copied.
        let most = usize::try_from(self.limits.header_bytes).unwrap_or(usize::MAX);
        let seen = &seen[..seen.len().min(most - level.block.len())];
        let before = level.block.len();
        keep(&mut level.block, seen, &self.limits);
        let end = level.index.scan(&level.block, &self.limits)?;
        let taken = end.unwrap_or(level.block.len());
        level.block.truncate(taken);
        if end.is_some() && level.index.folded() {
            let mut unfolded = Vec::with_capacity(level.block.len());
            level.index.unfold(&level.block, &mut unfolded);
            level.block = unfolded;
        }
        take(&mut self.levels, top, taken - before, input);
        Ok(end.map(|_| None))
    }

    /// Begins the part whose header is complete; `None` where nothing is told of it.
    fn begin<'i>(&mut self, top: usize, block: Option<&'i [u8]>) -> Result<Option<Step<'i>>, Error> {
        let level = &mut self.levels[top];
        let bytes = block.unwrap_or(&level.block);
        level.index.finish(bytes, &self.limits).map_err(|error| error.at(self.part.header_at))?;
        let head = Head::new(bytes, &level.index);
        if self.strict && !self.draining {
            let checked = if top == 0 { strict::check(&head) } else { strict::inner(&head) };
            checked.map_err(|error| error.at(self.part.header_at).of(&head.name_raw().unwrap_or_default()))?;
        }
        let name = head.name_raw();
        let name = name.as_deref();
        self.part.name.clear();
        self.part.name.extend_from_slice(&name.unwrap_or_default()[..name.map_or(0, |n| n.len().min(64))]);
        (self.part.taken, self.part.dropped) = (0, 0);
        self.part.limit = self.limits.part_bytes;
        if let Some(name) = name
            && let Some(field) = self.limits.fields.iter().find(|f| f.0.as_bytes() == name)
        {
            self.part.limit = field.1;
        }
        self.part.hidden = self.draining;
        if top == 0
            && let Some((allowed, otherwise)) = &self.limits.allowed
            && !name.is_some_and(|name| allowed.iter().any(|a| a.as_bytes() == name))
        {
            match otherwise {
                Unlisted::Skip => self.part.hidden = true,
                Unlisted::Refuse => {
                    let name = name.unwrap_or_default();
                    return Err(Error::new(ErrorKind::UnknownField)
                        .at(self.part.header_at)
                        .of(&name[..name.len().min(64)]));
                }
            }
        }
        self.part.mute = self.part.hidden;
        let inner = match head.content_type() {
            Some(value) if self.nested && !self.part.hidden && value.is_multipart() => value.boundary().ok(),
            _ => None,
        };
        level.framer.begin();
        if let Some(inner) = inner.filter(|inner| self.levels.iter().all(|l| l.framer.boundary() != inner)) {
            if self.levels.len() as u64 >= self.limits.depth {
                return Err(Error::limit(Limit::Depth, self.limits.depth).at(self.part.header_at));
            }
            self.levels[top].phase = Phase::Nested;
            self.levels.push(Level::new(inner));
            return Ok(Some(Step::Enter(block)));
        }
        self.levels[top].phase = Phase::Body;
        Ok(if self.part.hidden { None } else { Some(Step::Part(block)) })
    }

    fn data<'i>(&mut self, top: usize, bytes: Bytes, input: &mut &'i [u8]) -> Result<Option<Step<'i>>, Error> {
        let mut n = match bytes {
            Bytes::Input(n) | Bytes::Owed(_, n) => n,
        };
        let mut drop = self.part.mute;
        if !drop {
            let left = self.part.limit - self.part.taken;
            if left == 0 {
                if self.limits.overflow == Overflow::Refuse {
                    return Err(Error::limit(Limit::PartBytes, self.part.limit));
                }
                self.part.dropped += n as u64;
                drop = true;
            } else {
                n = n.min(usize::try_from(left).unwrap_or(usize::MAX));
                self.part.taken += n as u64;
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
