//! Forms from [`std::io::Read`].

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use std::io::{self, BufRead, Read};

use super::ReadError;
use crate::error::Error;
use crate::head::{Head, HeadBuf};
use crate::parse::{Event, Parser};
use crate::text::Charsets;
use crate::tree::{Node, TreeBuilder};

/// Reads a form from a [`Read`], field by field. Parts of nested multiparts come in their order, as fields like the others.
///
/// It holds a buffer of 64 KiB and what the [`Parser`] holds, and reads only when the buffer is empty.
pub struct ReadForm<R> {
    source: R,
    parser: Parser,
    buffer: Vec<u8>,
    /// What has been read of the source and not been parsed.
    unread: Range<usize>,
    ended: bool,
    done: bool,
    head: HeadBuf,
    charsets: Charsets,
    /// Content of the current field that has been parsed and not been handed out: in the buffer, or kept by itself.
    content: Range<usize>,
    kept: Vec<u8>,
    in_field: bool,
    /// Multiparts that are open inside the form.
    depth: usize,
}

/// A field that is being read. Dropping it early makes the form pass over the rest of it.
///
/// It is [`Read`] and [`BufRead`]; a form that is at fault makes an [`io::Error`] whose inner error is an
/// [`Error`](crate::Error).
#[derive(Debug)]
pub struct ReadField<'a, R> {
    form: &'a mut ReadForm<R>,
}

/// What a call of the parser gave.
enum Next {
    Part,
    Data,
    End,
    Enter,
    Leave,
    Done,
}

impl<R: Read> ReadForm<R> {
    /// A form from `source`.
    pub fn new(source: R, parser: Parser) -> Self {
        Self::with_buffer(source, parser, 64 << 10)
    }

    /// The same with a buffer of `size` bytes (at least one).
    pub fn with_buffer(source: R, parser: Parser, size: usize) -> Self {
        Self {
            source,
            parser,
            buffer: alloc::vec![0; size.max(1)],
            unread: 0..0,
            ended: false,
            done: false,
            head: HeadBuf::default(),
            charsets: Charsets::default(),
            content: 0..0,
            kept: Vec::new(),
            in_field: false,
            depth: 0,
        }
    }

    /// The next field, or `None` behind the last: what follows the close delimiter is left unread.
    ///
    /// # Errors
    /// The form's fault or the source's.
    pub fn next_field(&mut self) -> Result<Option<ReadField<'_, R>>, ReadError<io::Error>> {
        loop {
            self.pass();
            match self.advance()? {
                Next::Part => {
                    self.in_field = true;
                    return Ok(Some(ReadField { form: self }));
                }
                Next::Done => return Ok(None),
                Next::Data | Next::End | Next::Enter | Next::Leave => {}
            }
        }
    }

    /// The whole form as a tree, whose leaves are what `save` makes of each field; a field that it leaves unread is passed over.
    /// Nested multiparts are told apart where the parser is [`nested`](Parser::nested).
    ///
    /// # Errors
    /// The form's fault or the source's, or what `save` fails with.
    pub fn tree<T, E>(mut self, mut save: impl FnMut(ReadField<'_, R>) -> Result<T, E>) -> Result<Vec<Node<T>>, E>
    where
        E: From<ReadError<io::Error>>,
    {
        let mut tree = TreeBuilder::new();
        loop {
            self.pass();
            match self.advance()? {
                Next::Part => {
                    self.in_field = true;
                    let head = self.head.clone();
                    tree.leaf(head, save(ReadField { form: &mut self })?);
                }
                Next::Enter => tree.enter(self.head.clone()),
                Next::Leave => tree.leave(),
                Next::Done => return Ok(tree.finish()),
                Next::Data | Next::End => {}
            }
        }
    }

    /// Passes over everything that is left, as [`Parser::drain`] does, so that a connection can be used again though the form
    /// is not wanted.
    ///
    /// # Errors
    /// The form's fault or the source's.
    pub fn drain(&mut self) -> Result<(), ReadError<io::Error>> {
        self.parser.drain();
        self.content = 0..0;
        self.kept.clear();
        while !matches!(self.advance()?, Next::Done) {}
        self.in_field = false;
        Ok(())
    }

    /// How many bytes of the field that was read last were dropped by [`Overflow::Truncate`](crate::Overflow::Truncate).
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.parser.dropped()
    }

    /// The source, and the bytes that were read of it and not used: those behind the close delimiter, once it has been read.
    pub fn into_parts(mut self) -> (R, Vec<u8>) {
        self.buffer.truncate(self.unread.end);
        self.buffer.drain(..self.unread.start);
        (self.source, self.buffer)
    }

    /// Passes over what is left of the field.
    fn pass(&mut self) {
        if self.in_field {
            self.parser.skip();
            self.content = 0..0;
            self.kept.clear();
        }
    }

    fn advance(&mut self) -> Result<Next, ReadError<io::Error>> {
        if self.done {
            return Ok(Next::Done);
        }
        loop {
            let mut input = &self.buffer[self.unread.clone()];
            let event = self.parser.next(&mut input)?;
            let start = self.unread.end - input.len();
            let next = match event {
                None => None,
                Some(Event::Part(head)) => {
                    self.head.assign(&head);
                    Some(Next::Part)
                }
                Some(Event::Data(bytes)) => {
                    // Of the input it is what was just taken; else it is owed from an earlier one and short.
                    if self.buffer.as_ptr_range().contains(&bytes.as_ptr()) {
                        self.content = start - bytes.len()..start;
                    } else {
                        self.kept.extend_from_slice(bytes);
                    }
                    Some(Next::Data)
                }
                Some(Event::End) => {
                    self.in_field = false;
                    Some(Next::End)
                }
                Some(Event::Done) => {
                    self.done = true;
                    Some(Next::Done)
                }
                Some(Event::Enter(head)) => {
                    self.head.assign(&head);
                    self.depth += 1;
                    Some(Next::Enter)
                }
                Some(Event::Leave) => {
                    self.depth = self.depth.saturating_sub(1);
                    Some(Next::Leave)
                }
            };
            self.unread.start = start;
            match next {
                Some(next) => return Ok(next),
                None if self.ended => self.parser.close()?,
                None => self.fill()?,
            }
        }
    }

    fn fill(&mut self) -> Result<(), ReadError<io::Error>> {
        loop {
            match self.source.read(&mut self.buffer) {
                Ok(n) => {
                    self.ended = n == 0;
                    self.unread = 0..n;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // The form has an early end from now on, and the source is not asked again.
                    let _ = self.parser.close();
                    return Err(ReadError::Source(error));
                }
            }
        }
    }

    fn content(&self) -> &[u8] {
        if self.kept.is_empty() { &self.buffer[self.content.clone()] } else { &self.kept }
    }
}

impl<R> fmt::Debug for ReadForm<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadForm").field("parser", &self.parser).finish_non_exhaustive()
    }
}

impl<R: Read> ReadField<'_, R> {
    /// Its header.
    #[must_use]
    pub fn head(&self) -> Head<'_> {
        self.form.head.as_head()
    }

    /// How many multiparts inside the form it lies in: 0 for the form's own fields. Only where the parser is
    /// [`nested`](Parser::nested) is it ever more.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.form.depth
    }

    /// How many of its bytes have been dropped by [`Overflow::Truncate`](crate::Overflow::Truncate).
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.form.dropped()
    }

    /// The rest of it, if that is at most `limit` bytes.
    ///
    /// # Errors
    /// The form's fault or the source's; [`Limit::BufferBytes`](crate::Limit::BufferBytes).
    pub fn bytes(mut self, limit: usize) -> Result<Vec<u8>, ReadError<io::Error>> {
        self.collect(limit)
    }

    /// The rest of it as text, in its charset or the form's (see [`Charsets`]), if that is at most `limit` bytes. The form's
    /// is known once its `_charset_` field has been read, as text or as bytes.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn text(mut self, limit: usize) -> Result<String, ReadError<io::Error>> {
        let bytes = self.collect(limit)?;
        Ok(self.form.charsets.of(&self.form.head.as_head()).decode(&bytes).into_owned())
    }

    fn collect(&mut self, limit: usize) -> Result<Vec<u8>, ReadError<io::Error>> {
        let mut all = Vec::new();
        loop {
            let piece = self.piece()?;
            if piece.is_empty() {
                self.form.charsets.observe(&self.form.head.as_head(), &all);
                return Ok(all);
            }
            if piece.len() > limit - all.len() {
                return Err(Error::buffer(&self.form.head.as_head(), limit).into());
            }
            all.extend_from_slice(piece);
            let n = piece.len();
            self.consume(n);
        }
    }

    /// The next content; empty at the field's end.
    fn piece(&mut self) -> Result<&[u8], ReadError<io::Error>> {
        while self.form.in_field && self.form.content().is_empty() {
            self.form.advance()?;
        }
        Ok(self.form.content())
    }
}

impl<R: Read> BufRead for ReadField<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.piece()?)
    }

    fn consume(&mut self, n: usize) {
        let form = &mut *self.form;
        if form.kept.is_empty() {
            form.content.start = (form.content.start + n).min(form.content.end);
        } else {
            form.kept.drain(..n.min(form.kept.len()));
        }
    }
}

impl<R: Read> Read for ReadField<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let from = self.fill_buf()?;
        let n = from.len().min(out.len());
        out[..n].copy_from_slice(&from[..n]);
        self.consume(n);
        Ok(n)
    }
}
