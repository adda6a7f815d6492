//! A form as owned pieces, one after the other.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_core::Stream;

use crate::adapt::ReadError;
use crate::error::Error;
use crate::head::HeadBuf;
use crate::parse::{Event, Parser};

/// An [`Event`] that owns what it tells.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Piece {
    /// A part begins.
    Part(HeadBuf),
    /// Some of its body.
    Data(Bytes),
    /// It is complete.
    End {
        /// How many of its bytes were dropped by [`Overflow::Truncate`](crate::Overflow::Truncate).
        dropped: u64,
    },
    /// A part begins that is a multipart itself.
    Enter(HeadBuf),
    /// The multipart inside is complete.
    Leave,
}

/// What a poll gives: the next of something that ends.
pub(super) type Polled<T, E> = Poll<Result<Option<T>, ReadError<E>>>;

/// A source of pieces.
pub trait Pieces: Unpin {
    /// What the bytes' source can fail with.
    type Error;

    /// The next piece, or `None` once the form is complete. An error is the last: a form's own comes again, and behind a
    /// source's comes [`ErrorKind::UnexpectedEof`](crate::ErrorKind::UnexpectedEof).
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Polled<Piece, Self::Error>;

    /// Passes over the rest of the current part's data; right after [`Piece::Enter`], over the multipart inside.
    fn skip(&mut self);

    /// Passes over everything that is left; see [`Parser::drain`].
    fn drain(&mut self);
}

/// Pieces of a `Stream` of `Bytes`. The stream is polled only when all it gave before has been parsed, and not any more once the
/// close delimiter has been read. Data is not copied: it shares the stream's own `Bytes`.
pub struct StreamPieces<S> {
    source: S,
    parser: Parser,
    chunk: Bytes,
    ended: bool,
    done: bool,
}

/// Chunks that are passed over before other tasks get their turn.
const TURN: u32 = 64;

impl<S> StreamPieces<S> {
    /// Pieces of what `source` gives.
    pub fn new(source: S, parser: Parser) -> Self {
        Self { source, parser, chunk: Bytes::new(), ended: false, done: false }
    }

    /// The source, and the bytes it gave that were not used: those behind the close delimiter, once it has been read.
    pub fn into_parts(self) -> (S, Bytes) {
        (self.source, self.chunk)
    }

    /// Parses what there is.
    fn parse(&mut self) -> Result<Option<Piece>, Error> {
        let mut input = &self.chunk[..];
        let event = self.parser.next(&mut input)?;
        let taken = self.chunk.len() - input.len();
        let piece = match event {
            None => None,
            Some(Event::Part(head)) => Some(Piece::Part(head.to_buf())),
            Some(Event::Enter(head)) => Some(Piece::Enter(head.to_buf())),
            Some(Event::Data(bytes)) => Some(Piece::Data(if self.chunk.as_ptr_range().contains(&bytes.as_ptr()) {
                self.chunk.slice(taken - bytes.len()..taken)
            } else {
                Bytes::copy_from_slice(bytes)
            })),
            Some(Event::End) => Some(Piece::End { dropped: self.parser.dropped() }),
            Some(Event::Leave) => Some(Piece::Leave),
            Some(Event::Done) => {
                self.done = true;
                None
            }
        };
        self.chunk.advance(taken);
        Ok(piece)
    }
}

impl<S, B, E> Pieces for StreamPieces<S>
where
    S: Stream<Item = Result<B, E>> + Unpin,
    B: Into<Bytes>,
{
    type Error = E;

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Polled<Piece, E> {
        for _ in 0..TURN {
            if self.done {
                return Poll::Ready(Ok(None));
            }
            if let Some(piece) = self.parse()? {
                return Poll::Ready(Ok(Some(piece)));
            }
            if self.done {
                return Poll::Ready(Ok(None));
            }
            if self.ended {
                self.parser.close()?;
            }
            // The source may want its memory back before it reads on.
            self.chunk = Bytes::new();
            match ready!(Pin::new(&mut self.source).poll_next(cx)) {
                Some(Ok(chunk)) => self.chunk = chunk.into(),
                Some(Err(error)) => {
                    // The form has an early end from now on, and the source is not asked again.
                    let _ = self.parser.close();
                    return Poll::Ready(Err(ReadError::Source(error)));
                }
                None => self.ended = true,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn skip(&mut self) {
        self.parser.skip();
    }

    fn drain(&mut self) {
        self.parser.drain();
    }
}

impl<S> fmt::Debug for StreamPieces<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamPieces").field("parser", &self.parser).finish_non_exhaustive()
    }
}
