//! A flow of which the first bytes were read already.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::wrapper::flush_and_shut_down;

#[derive(Debug)]
pub(super) struct Ahead<F> {
    ahead: Bytes,
    flow: F,
}

impl<F> Ahead<F> {
    pub(super) fn new(ahead: Bytes, flow: F) -> Self {
        Self { ahead, flow }
    }

    /// What nobody has read yet, and the flow behind it.
    pub(super) fn into_parts(self) -> (Bytes, F) {
        (self.ahead, self.flow)
    }
}

impl<F: AsyncRead + Unpin> AsyncRead for Ahead<F> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.flow).poll_read(cx, buf);
        }
        let count = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead[..count]);
        self.ahead.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<F: AsyncWrite + Unpin> AsyncWrite for Ahead<F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.flow).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.flow).poll_write_vectored(cx, data)
    }

    flush_and_shut_down!();
}
