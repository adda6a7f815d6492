//! The body of an answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};
use store::Error as StoreError;

/// The body of an answer: nothing, something whole, or a paste's content as it is read.
pub struct Answer(Kind);

enum Kind {
    Whole(Bytes),
    Content { pieces: Pieces, left: u64 },
}

/// Pieces of a paste's content.
type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, StoreError>> + Send>>;

impl Answer {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self(Kind::Whole(Bytes::new()))
    }

    /// A body that is there already.
    pub fn whole(body: impl Into<Bytes>) -> Self {
        Self(Kind::Whole(body.into()))
    }

    /// `len` bytes that are read as they are sent. If they end early, the connection is broken off, so that the client
    /// sees that something is missing.
    pub(crate) fn content(pieces: impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static, len: u64) -> Self {
        Self(Kind::Content { pieces: Box::pin(pieces), left: len })
    }

    /// How many bytes are still to come.
    #[must_use]
    pub fn len(&self) -> u64 {
        match &self.0 {
            Kind::Whole(body) => body.len() as u64,
            Kind::Content { left, .. } => *left,
        }
    }

    /// Whether no byte is to come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({} bytes)", self.len())
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        match &mut self.0 {
            Kind::Whole(body) if body.is_empty() => Poll::Ready(None),
            Kind::Whole(body) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(body))))),
            Kind::Content { left: 0, .. } => Poll::Ready(None),
            Kind::Content { pieces, left } => pieces.as_mut().poll_next(cx).map(|piece| match piece {
                Some(Ok(mut piece)) => {
                    piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= piece.len() as u64;
                    Some(Ok(Frame::data(piece)))
                }
                Some(Err(error)) => Some(Err(error)),
                None => Some(Err(StoreError::Damaged(format!("{left} bytes of content are missing")))),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}
