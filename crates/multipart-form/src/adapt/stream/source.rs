//! Streams of `Bytes` out of other kinds of sources.

use core::fmt;
use core::pin::Pin;
#[cfg(any(feature = "tokio", feature = "futures-io", feature = "http-body"))]
use core::task::{Context, Poll, ready};

use bytes::Bytes;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
use bytes::BytesMut;
use futures_core::Stream;

#[cfg(any(feature = "tokio", feature = "futures-io", feature = "http-body"))]
use super::field::Form;
#[cfg(any(feature = "tokio", feature = "futures-io", feature = "http-body"))]
use super::pieces::StreamPieces;
#[cfg(any(feature = "tokio", feature = "futures-io", feature = "http-body"))]
use crate::parse::Parser;

/// Bytes that are asked of a reader at once.
#[cfg(any(feature = "tokio", feature = "futures-io"))]
const CHUNK: usize = 64 << 10;

/// Chunks of a tokio `AsyncRead`, of 64 KiB at most. Its buffer is used again once what was read into it has been dropped.
#[cfg(feature = "tokio")]
pub struct TokioReadSource<R> {
    source: R,
    buffer: BytesMut,
}

#[cfg(feature = "tokio")]
impl<R: tokio::io::AsyncRead + Unpin> Form<StreamPieces<TokioReadSource<R>>> {
    /// A form from a tokio `AsyncRead`.
    pub fn from_tokio_read(source: R, parser: Parser) -> Self {
        Self::from_stream(TokioReadSource { source, buffer: BytesMut::new() }, parser)
    }
}

#[cfg(feature = "tokio")]
impl<R: tokio::io::AsyncRead + Unpin> Stream for TokioReadSource<R> {
    type Item = std::io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        room(&mut this.buffer);
        let mut into = tokio::io::ReadBuf::new(&mut this.buffer);
        ready!(Pin::new(&mut this.source).poll_read(cx, &mut into))?;
        let n = into.filled().len();
        Poll::Ready((n > 0).then(|| Ok(this.buffer.split_to(n).freeze())))
    }
}

/// Chunks of a futures `AsyncRead`, of 64 KiB at most. Its buffer is used again once what was read into it has been dropped.
#[cfg(feature = "futures-io")]
pub struct FuturesReadSource<R> {
    source: R,
    buffer: BytesMut,
}

#[cfg(feature = "futures-io")]
impl<R: futures_io::AsyncRead + Unpin> Form<StreamPieces<FuturesReadSource<R>>> {
    /// A form from a futures `AsyncRead`.
    pub fn from_futures_read(source: R, parser: Parser) -> Self {
        Self::from_stream(FuturesReadSource { source, buffer: BytesMut::new() }, parser)
    }
}

#[cfg(feature = "futures-io")]
impl<R: futures_io::AsyncRead + Unpin> Stream for FuturesReadSource<R> {
    type Item = std::io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        room(&mut this.buffer);
        let n = ready!(Pin::new(&mut this.source).poll_read(cx, &mut this.buffer))?;
        Poll::Ready((n > 0).then(|| Ok(this.buffer.split_to(n.min(CHUNK)).freeze())))
    }
}

/// Makes room for a read. What is left of the last one has been zeroed before; a small rest is not worth a read.
#[cfg(any(feature = "tokio", feature = "futures-io"))]
fn room(buffer: &mut BytesMut) {
    if buffer.len() < CHUNK / 4 {
        buffer.clear();
        buffer.resize(CHUNK, 0);
    }
}

/// Chunks of an HTTP body; trailers are passed over.
#[cfg(feature = "http-body")]
pub struct BodySource<B>(B);

#[cfg(feature = "http-body")]
impl<B: http_body::Body<Data = Bytes> + Unpin> Form<StreamPieces<BodySource<B>>> {
    /// A form from an HTTP body.
    pub fn from_body(body: B, parser: Parser) -> Self {
        Self::from_stream(BodySource(body), parser)
    }
}

#[cfg(feature = "http-body")]
impl<B: http_body::Body<Data = Bytes> + Unpin> Stream for BodySource<B> {
    type Item = Result<Bytes, B::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}

#[cfg(feature = "tokio")]
impl<R> fmt::Debug for TokioReadSource<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioReadSource").finish_non_exhaustive()
    }
}

#[cfg(feature = "futures-io")]
impl<R> fmt::Debug for FuturesReadSource<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FuturesReadSource").finish_non_exhaustive()
    }
}

#[cfg(feature = "http-body")]
impl<B> fmt::Debug for BodySource<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodySource").finish_non_exhaustive()
    }
}
