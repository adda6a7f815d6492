//! A form field by field, each borrowed from the form: that two are not read at once is checked at compile time.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use super::owned::OwnedForm;
use super::pieces::{Piece, Pieces, Polled, StreamPieces};
use super::queue::{self, Pump, Queue};
use crate::adapt::ReadError;
use crate::error::Error;
use crate::head::{Head, HeadBuf};
use crate::parse::Parser;
use crate::text::Charsets;
use crate::tree::{Node, TreeBuilder};

/// A form, read field by field. Parts of nested multiparts come in their order, as fields like the others.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bytes::Bytes;
/// use multipart_form::{Form, Limits, Parser};
///
/// let body = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nhello\r\n--x--\r\n";
/// let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(body))]);
/// let parser = Parser::strict(b"multipart/form-data; boundary=x", Limits::default())?;
/// let mut form = Form::from_stream(stream, parser);
/// while let Some(field) = form.next_field().await? {
///     assert_eq!(field.head().name().as_deref(), Some("a"));
///     assert_eq!(field.text(1024).await?, "hello");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Form<P> {
    pieces: P,
    head: HeadBuf,
    charsets: Charsets,
    in_field: bool,
    /// Multiparts that are open inside the form.
    depth: usize,
    dropped: u64,
}

/// A field that is being read. Dropping it early makes the form pass over the rest of it.
pub struct FormField<'a, P> {
    form: &'a mut Form<P>,
}

/// A form as a flat `Stream` of [`Piece`]s. Parts that one does not care for are [skipped](Self::skip_part), or their data dropped.
#[derive(Debug)]
pub struct Flat<P>(P);

/// What comes between bodies.
enum Next {
    Part,
    Enter,
    Leave,
    Done,
}

impl<S> Form<StreamPieces<S>> {
    /// A form from a stream of `Bytes`; see [`StreamPieces`] for when that is polled.
    pub fn from_stream(stream: S, parser: Parser) -> Self {
        Self::new(StreamPieces::new(stream, parser))
    }
}

impl<P> Form<P> {
    /// A form from any source of pieces.
    pub fn new(pieces: P) -> Self {
        Self { pieces, head: HeadBuf::default(), charsets: Charsets::default(), in_field: false, depth: 0, dropped: 0 }
    }

    /// How many bytes of the field that was read last were dropped by [`Overflow::Truncate`](crate::Overflow::Truncate): known
    /// once its end has been read.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The source of the pieces.
    pub fn into_pieces(self) -> P {
        self.pieces
    }
}

impl<P: Pieces> Form<P> {
    /// The next field, or `None` behind the last.
    ///
    /// Cancel safe: a future that is dropped loses nothing.
    ///
    /// # Errors
    /// The form's fault or its source's.
    pub async fn next_field(&mut self) -> Result<Option<FormField<'_, P>>, ReadError<P::Error>> {
        let found = poll_fn(|cx| self.poll_field(cx)).await?;
        Ok(found.then_some(FormField { form: self }))
    }

    /// Passes over everything that is left, as [`Parser::drain`] does, so that a connection can be used again though the form
    /// is not wanted. Cancel safe.
    ///
    /// # Errors
    /// The form's fault or its source's.
    pub async fn drain(&mut self) -> Result<(), ReadError<P::Error>> {
        poll_fn(|cx| self.poll_drain(cx)).await
    }

    /// A form whose fields are owned: `'static`, and `Send` where the source is.
    pub fn into_owned(self) -> OwnedForm<P> {
        OwnedForm::new(self)
    }

    /// Puts a queue of at most `bytes` between parsing and what is done with the fields, so that both run at once: poll the
    /// [`Pump`] in one place (a task, or one arm of a join), and read the form in another. See [`Queue`] for the memory it takes.
    pub fn queued(self, bytes: usize) -> (Form<Queue<P::Error>>, Pump<P>) {
        let Self { pieces, head, charsets, in_field, depth, dropped } = self;
        let (queue, pump) = queue::new(pieces, bytes);
        (Form { pieces: queue, head, charsets, in_field, depth, dropped }, pump)
    }

    /// The whole form as a tree, whose leaves are what `save` makes of each field; a field that it leaves unread is passed over.
    /// Nested multiparts are told apart where the parser is [`nested`](Parser::nested).
    ///
    /// # Errors
    /// The form's fault or its source's, or what `save` fails with.
    pub async fn tree<T, E>(
        mut self,
        mut save: impl AsyncFnMut(FormField<'_, P>) -> Result<T, E>,
    ) -> Result<Vec<Node<T>>, E>
    where
        E: From<ReadError<P::Error>>,
    {
        let mut tree = TreeBuilder::new();
        loop {
            match poll_fn(|cx| self.poll_next(cx)).await? {
                Next::Part => {
                    let head = self.head.clone();
                    tree.leaf(head, save(FormField { form: &mut self }).await?);
                }
                Next::Enter => tree.enter(self.head.clone()),
                Next::Leave => tree.leave(),
                Next::Done => return Ok(tree.finish()),
            }
        }
    }

    /// The whole form as a flat stream of its pieces.
    pub fn into_stream(self) -> Flat<P> {
        Flat(self.pieces)
    }

    pub(super) fn head(&self) -> &HeadBuf {
        &self.head
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError<P::Error>>> {
        self.pieces.drain();
        while ready!(self.pieces.poll_piece(cx))?.is_some() {}
        self.in_field = false;
        Poll::Ready(Ok(()))
    }

    /// Goes on to the next part's beginning; whether there is one.
    pub(super) fn poll_field(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, ReadError<P::Error>>> {
        loop {
            match ready!(self.poll_next(cx))? {
                Next::Part => return Poll::Ready(Ok(true)),
                Next::Enter | Next::Leave => {}
                Next::Done => return Poll::Ready(Ok(false)),
            }
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next, ReadError<P::Error>>> {
        if self.in_field {
            self.pieces.skip();
        }
        loop {
            let next = match ready!(self.pieces.poll_piece(cx))? {
                Some(Piece::Part(head)) => {
                    self.head = head;
                    (self.in_field, self.dropped) = (true, 0);
                    Next::Part
                }
                Some(Piece::Enter(head)) => {
                    self.head = head;
                    self.depth += 1;
                    Next::Enter
                }
                Some(Piece::Leave) => {
                    self.depth = self.depth.saturating_sub(1);
                    Next::Leave
                }
                Some(Piece::End { dropped }) => {
                    (self.in_field, self.dropped) = (false, dropped);
                    continue;
                }
                Some(Piece::Data(_)) => continue,
                None => Next::Done,
            };
            return Poll::Ready(Ok(next));
        }
    }

    /// The next data of the current part, or `None` at its end.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Polled<Bytes, P::Error> {
        if !self.in_field {
            return Poll::Ready(Ok(None));
        }
        match ready!(self.pieces.poll_piece(cx))? {
            Some(Piece::Data(bytes)) => Poll::Ready(Ok(Some(bytes))),
            piece => {
                self.in_field = false;
                if let Some(Piece::End { dropped }) = piece {
                    self.dropped = dropped;
                }
                Poll::Ready(Ok(None))
            }
        }
    }
}

impl<P: Pieces> FormField<'_, P> {
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

    /// As [`Form::dropped`].
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.form.dropped
    }

    /// The next of its bytes, or `None` at its end. Cancel safe.
    ///
    /// # Errors
    /// The form's fault or its source's.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ReadError<P::Error>> {
        poll_fn(|cx| self.form.poll_data(cx)).await
    }

    /// The rest of it, if that is at most `limit` bytes. Not cancel safe: what was collected is lost.
    ///
    /// # Errors
    /// The form's fault or its source's; [`Limit::BufferBytes`](crate::Limit::BufferBytes).
    pub async fn bytes(mut self, limit: usize) -> Result<Vec<u8>, ReadError<P::Error>> {
        self.collect(limit).await
    }

    /// The rest of it as text, in its charset or the form's (see [`Charsets`]), if that is at most `limit` bytes. The form's
    /// is known once its `_charset_` field has been read, as text or as bytes. Not cancel safe.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub async fn text(mut self, limit: usize) -> Result<String, ReadError<P::Error>> {
        let bytes = self.collect(limit).await?;
        Ok(self.form.text_of(&bytes))
    }

    async fn collect(&mut self, limit: usize) -> Result<Vec<u8>, ReadError<P::Error>> {
        let mut all = Vec::new();
        while let Some(piece) = self.chunk().await? {
            if piece.len() > limit - all.len() {
                return Err(Error::buffer(&self.head(), limit).into());
            }
            all.extend_from_slice(&piece);
        }
        self.form.read_whole(&all);
        Ok(all)
    }
}

impl<P> Form<P> {
    /// The current field has been read: all of it, if it was of the form's charset.
    pub(super) fn read_whole(&mut self, bytes: &[u8]) {
        self.charsets.observe(&self.head.as_head(), bytes);
    }

    /// The current field's bytes as text.
    pub(super) fn text_of(&self, bytes: &[u8]) -> String {
        self.charsets.of(&self.head.as_head()).decode(bytes).into_owned()
    }
}

impl<P: Pieces> Flat<P> {
    /// Passes over the rest of the current part; right after [`Piece::Enter`], over the multipart inside.
    pub fn skip_part(&mut self) {
        self.0.skip();
    }

    /// Passes over everything that is left, so that a connection can be used again: the stream ends where the form does.
    pub fn drain(&mut self) {
        self.0.drain();
    }
}

impl<P: Pieces> Stream for Flat<P> {
    type Item = Result<Piece, ReadError<P::Error>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_piece(cx).map(Result::transpose)
    }
}

impl<P: fmt::Debug> fmt::Debug for Form<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form").field("pieces", &self.pieces).finish_non_exhaustive()
    }
}

impl<P> fmt::Debug for FormField<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FormField").field(&self.form.head).finish()
    }
}
