//! Tells TLS from anything else by its first byte, so that who speaks plain HTTP to a TLS port can be told.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::wrapper::flush_and_shut_down;

/// The type of the record that a handshake begins with (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 0x16;

/// A flow whose first byte is looked at. If it does not begin TLS, nothing more is written to the flow: the alert would
/// not be understood.
#[derive(Debug)]
pub(crate) struct FirstByte<F> {
    pub(crate) flow: F,
    seen: Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Tls,
    Other,
}

impl<F> FirstByte<F> {
    pub(crate) fn new(flow: F) -> Self {
        Self { flow, seen: Seen::Nothing }
    }

    /// Whether bytes came that are not TLS.
    pub(crate) fn is_other(&self) -> bool {
        self.seen == Seen::Other
    }

    /// Whether anything came.
    pub(crate) fn has_spoken(&self) -> bool {
        self.seen != Seen::Nothing
    }
}

impl<F: AsyncRead + Unpin> AsyncRead for FirstByte<F> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.flow).poll_read(cx, buf))?;
        if self.seen == Seen::Nothing
            && let Some(first) = buf.filled().get(before)
        {
            self.seen = if *first == HANDSHAKE { Seen::Tls } else { Seen::Other };
        }
        Poll::Ready(Ok(()))
    }
}

impl<F: AsyncWrite + Unpin> AsyncWrite for FirstByte<F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_other() {
            return Poll::Ready(Ok(data.len()));
        }
        Pin::new(&mut self.flow).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_other() {
            return Poll::Ready(Ok(data.iter().map(|d| d.len()).sum()));
        }
        Pin::new(&mut self.flow).poll_write_vectored(cx, data)
    }

    flush_and_shut_down!();
}
