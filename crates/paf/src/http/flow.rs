//! A flow of HTTP/1.1 that tells its connection's state what moves, spoils what is not clearly framed, and holds back the
//! HTTP library's own answers.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::Framing;
use super::limits::{Limits, Refusal};
use super::state::State;
use crate::Counters;

#[derive(Debug)]
pub(super) struct Watched<F> {
    pub(super) flow: F,
    state: Arc<State>,
    counters: Arc<Counters>,
    framing: Framing,
    /// Lines that a head may have.
    head_lines: usize,
    /// What was answered instead of asking the handler.
    pub(super) refusal: Option<Refusal>,
}

impl<F> Watched<F> {
    pub(super) fn new(flow: F, state: Arc<State>, counters: Arc<Counters>, limits: &Limits) -> Self {
        Self { flow, state, counters, framing: Framing::new(), head_lines: limits.head_lines, refusal: None }
    }

    fn holds_back(&mut self, answer: &[u8]) -> bool {
        if self.refusal.is_none() && self.state.is_own_answer() {
            let has_too_many_lines = self.framing.most_lines() > self.head_lines;
            self.refusal = Some(Refusal::of_status_line(answer, has_too_many_lines));
        }
        self.refusal.is_some()
    }

    fn note(&self, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &sent {
            Poll::Ready(Ok(n)) => {
                self.counters.sent.fetch_add(*n as u64, Relaxed);
                self.state.sent(*n);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.state.send_blocked(),
        }
        sent
    }
}

impl<F: AsyncRead + Unpin> AsyncRead for Watched<F> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.flow).poll_read(cx, buf))?;
        let n = buf.filled().len() - before;
        if n > 0 {
            self.framing.look(&mut buf.filled_mut()[before..]);
            self.counters.received.fetch_add(n as u64, Relaxed);
            self.state.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<F: AsyncWrite + Unpin> AsyncWrite for Watched<F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.holds_back(data) {
            return Poll::Ready(Ok(data.len()));
        }
        let sent = Pin::new(&mut self.flow).poll_write(cx, data);
        self.note(sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.holds_back(data.iter().find(|d| !d.is_empty()).map_or(&[], |d| d)) {
            return Poll::Ready(Ok(data.iter().map(|d| d.len()).sum()));
        }
        let sent = Pin::new(&mut self.flow).poll_write_vectored(cx, data);
        self.note(sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.flow.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.flow).poll_flush(cx)? {
            Poll::Ready(()) => {
                self.state.flushed();
                Poll::Ready(Ok(()))
            }
            // TLS takes what it is given and waits here.
            Poll::Pending => {
                self.state.send_blocked();
                Poll::Pending
            }
        }
    }

    /// The connection closes the flow itself, after hyper.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
