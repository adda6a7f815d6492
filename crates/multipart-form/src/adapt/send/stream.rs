//! Forms to be sent as a stream, an `AsyncRead` or an HTTP body.

use alloc::collections::VecDeque;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

#[cfg(any(feature = "tokio", feature = "futures-io"))]
use bytes::Buf;
use bytes::Bytes;
use futures_core::Stream;

use super::{FAILED, FormBuilder, Step, count};
use crate::adapt::ReadError;
use crate::error::Error;

/// A form as a `Stream` of `Bytes`; also an `AsyncRead` and an `http_body::Body`, with the features of these names. Bodies are
/// passed on as they come, one piece at a time. Once it has failed it fails for ever, so that no part of it is taken for the
/// whole.
pub struct FormStream<B> {
    steps: VecDeque<Step<B>>,
    failed: bool,
    /// Bytes that are still to come, where that is known.
    len: Option<u64>,
    /// What is left of a piece, for those who read by their own sizes.
    #[cfg(any(feature = "tokio", feature = "futures-io"))]
    piece: Bytes,
}

impl<B> FormBuilder<B> {
    /// Closes the form, to be streamed.
    ///
    /// # Errors
    /// As [`Encoder::close`](crate::Encoder::close).
    pub fn into_stream<E>(self) -> Result<FormStream<B>, Error>
    where
        B: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let (steps, len) = self.close()?;
        Ok(FormStream {
            steps,
            failed: false,
            len,
            #[cfg(any(feature = "tokio", feature = "futures-io"))]
            piece: Bytes::new(),
        })
    }
}

impl<B, E> Stream for FormStream<B>
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    type Item = Result<Bytes, ReadError<E>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.failed {
            return Poll::Ready(Some(Err(Error::new(FAILED).into())));
        }
        while let Some(step) = this.steps.front_mut() {
            let piece = ready!(step.poll_piece(cx));
            match &piece {
                Ok(None) => {
                    this.steps.pop_front();
                    continue;
                }
                Ok(Some(piece)) => this.len = this.len.map(|len| len.saturating_sub(piece.len() as u64)),
                Err(_) => this.failed = true,
            }
            return Poll::Ready(piece.transpose());
        }
        Poll::Ready(None)
    }
}

impl<B, E> Step<B>
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    /// The next piece, which has bytes, or `None` at the end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ReadError<E>>> {
        let piece = match self {
            Self::Framing(bytes) => Bytes::from(core::mem::take(bytes).into_inner()),
            Self::Body(body, left) => loop {
                match ready!(Pin::new(&mut *body).poll_next(cx)).transpose().map_err(ReadError::Source)? {
                    Some(piece) if piece.is_empty() => {}
                    Some(piece) => {
                        count(left, piece.len() as u64)?;
                        break piece;
                    }
                    None => {
                        count(left, 0)?;
                        break Bytes::new();
                    }
                }
            },
        };
        Poll::Ready(Ok((!piece.is_empty()).then_some(piece)))
    }
}

#[cfg(feature = "http-body")]
impl<B, E> http_body::Body for FormStream<B>
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    type Data = Bytes;
    type Error = ReadError<E>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.poll_next(cx).map(|piece| piece.map(|piece| piece.map(http_body::Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && !self.failed
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.len.map(http_body::SizeHint::with_exact).unwrap_or_default()
    }
}

#[cfg(any(feature = "tokio", feature = "futures-io"))]
impl<B> FormStream<B>
where
    B: Stream<Item = std::io::Result<Bytes>> + Unpin,
{
    /// The next piece, or what is left of it; empty at the end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<&mut Bytes>> {
        if self.piece.is_empty()
            && let Some(piece) = ready!(Pin::new(&mut *self).poll_next(cx)?)
        {
            self.piece = piece;
        }
        Poll::Ready(Ok(&mut self.piece))
    }
}

#[cfg(feature = "tokio")]
impl<B> tokio::io::AsyncRead for FormStream<B>
where
    B: Stream<Item = std::io::Result<Bytes>> + Unpin,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let piece = ready!(self.get_mut().poll_piece(cx))?;
        let n = piece.len().min(out.remaining());
        out.put_slice(&piece[..n]);
        piece.advance(n);
        Poll::Ready(Ok(()))
    }
}

#[cfg(feature = "futures-io")]
impl<B> futures_io::AsyncRead for FormStream<B>
where
    B: Stream<Item = std::io::Result<Bytes>> + Unpin,
{
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<std::io::Result<usize>> {
        let piece = ready!(self.get_mut().poll_piece(cx))?;
        let n = piece.len().min(out.len());
        out[..n].copy_from_slice(&piece[..n]);
        piece.advance(n);
        Poll::Ready(Ok(n))
    }
}

impl<B> fmt::Debug for FormStream<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormStream").field("len", &self.len).finish_non_exhaustive()
    }
}
