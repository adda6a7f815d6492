//! A flow that gathers what is written.
//!
//! The HTTP library flushes after each frame of data. Ten streams that are answered at once would be ten calls of the system, and ten
//! records of TLS; here they are one, and few. What is gathered goes out when a flush is let through, or when there is much of it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are gathered at most: as much as TLS takes at once.
const MOST: usize = 64 * 1024;
/// Room that is kept for more, once all is written.
const LITTLE: usize = 1024;

/// Says when what is gathered is to go out. Clones are the same. It begins open, so that nobody waits for the service's settings.
#[derive(Clone, Debug)]
pub(super) struct Valve(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    is_open: AtomicBool,
    /// Whether something was written that no flush has carried out: gathered here, or kept by the flow, as TLS does.
    is_holding: AtomicBool,
}

#[derive(Debug)]
pub(super) struct Gathering<F> {
    flow: F,
    held: Vec<u8>,
    /// How much of it is written already.
    written: usize,
    valve: Valve,
}

impl Valve {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner { is_open: AtomicBool::new(true), is_holding: AtomicBool::new(false) }))
    }

    /// Lets the next flush through.
    pub(super) fn open(&self) {
        self.0.is_open.store(true, Relaxed);
    }

    /// Whether the connection is to be polled once more: something `moved`, or nothing did, and what was gathered may go out.
    pub(super) fn again(&self, moved: bool) -> bool {
        let was_open = self.0.is_open.swap(false, Relaxed);
        let lets_out = !moved && !was_open && self.0.is_holding.load(Relaxed);
        self.0.is_open.store(lets_out, Relaxed);
        moved || lets_out
    }
}

impl<F: AsyncWrite + Unpin> Gathering<F> {
    pub(super) fn new(flow: F, valve: Valve) -> Self {
        Self { flow, held: Vec::new(), written: 0, valve }
    }

    /// Takes as much as there is room for.
    fn gather(&mut self, data: &[u8]) -> usize {
        let taken = data.len().min(MOST.saturating_sub(self.held.len()));
        self.held.extend_from_slice(&data[..taken]);
        if taken > 0 {
            self.valve.0.is_holding.store(true, Relaxed);
        }
        taken
    }

    /// Writes what is gathered.
    fn let_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.held.len() {
            match ready!(Pin::new(&mut self.flow).poll_write(cx, &self.held[self.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        self.written = 0;
        self.held.clear();
        self.held.shrink_to(LITTLE);
        Poll::Ready(Ok(()))
    }

    /// Writes what is gathered, and flushes it, whatever the valve says.
    pub(super) fn poll_flush_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.let_out(cx))?;
        ready!(Pin::new(&mut self.flow).poll_flush(cx))?;
        self.valve.0.is_holding.store(false, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<F: AsyncRead + Unpin> AsyncRead for Gathering<F> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.flow).poll_read(cx, buf)
    }
}

impl<F: AsyncWrite + Unpin> AsyncWrite for Gathering<F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.held.len() >= MOST {
            ready!(self.let_out(cx))?;
        }
        Poll::Ready(Ok(self.gather(data)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.held.len() >= MOST {
            ready!(self.let_out(cx))?;
        }
        Poll::Ready(Ok(data.iter().map(|piece| self.gather(piece)).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.valve.0.is_open.load(Relaxed) { self.poll_flush_all(cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.let_out(cx))?;
        Pin::new(&mut self.flow).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;

    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Keeps what each write gave it, and takes no more than it has room for.
    #[derive(Default)]
    struct Writes {
        each: Vec<Vec<u8>>,
        room: usize,
        /// Flushes that have to wait.
        waits: usize,
    }

    impl AsyncWrite for Writes {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
            let taken = data.len().min(self.room);
            if taken == 0 {
                return Poll::Pending;
            }
            self.room -= taken;
            self.each.push(data[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.waits > 0 {
                self.waits -= 1;
                return Poll::Pending;
            }
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn frames_that_are_flushed_one_by_one_go_out_as_one() {
        let valve = Valve::new();
        let mut flow = Gathering::new(Writes { room: 1000, ..Writes::default() }, valve.clone());
        flow.write_all(b"settings").await.unwrap();
        flow.flush().await.unwrap();
        assert_eq!(flow.flow.each, [b"settings"]);
        // Nothing moved, and there is nothing to say.
        assert!(!valve.again(false));
        for _ in 0..10 {
            flow.write_all(b"frame").await.unwrap();
            flow.flush().await.unwrap();
        }
        assert!(valve.again(true));
        flow.flush().await.unwrap();
        assert_eq!(flow.flow.each.len(), 1);
        assert!(valve.again(false));
        flow.flush().await.unwrap();
        assert_eq!(flow.flow.each[1..], [b"frame".repeat(10)]);
        assert!(!valve.again(false));
        // What has no room is tried once for each time that the connection is polled.
        flow.flow.room = 3;
        flow.write_all(b"frame").await.unwrap();
        assert!(valve.again(false));
        assert!(poll_fn(|cx| Poll::Ready(Pin::new(&mut flow).poll_flush(cx))).await.is_pending());
        assert!(!valve.again(false));
        flow.flow.room = 1000;
        flow.shutdown().await.unwrap();
        assert_eq!(flow.flow.each[2..], [b"fra".to_vec(), b"me".to_vec()]);
    }

    /// As TLS does, which takes more than its socket, and goes on only when it is flushed again.
    #[test]
    fn a_flow_that_keeps_what_it_was_given_is_flushed_until_it_has_written_it() {
        let valve = Valve::new();
        let mut flow = Gathering::new(Writes { room: 1000, waits: 2, ..Writes::default() }, valve.clone());
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut flow).poll_write(cx, b"frame").is_ready());
        for _ in 0..2 {
            assert!(Pin::new(&mut flow).poll_flush(cx).is_pending());
            // Until somebody wakes the connection, whose first poll gathers.
            assert!(!valve.again(false));
            assert!(Pin::new(&mut flow).poll_flush(cx).is_ready());
            assert!(valve.again(false));
        }
        assert!(Pin::new(&mut flow).poll_flush(cx).is_ready());
        assert!(!valve.again(false) && !valve.again(false));
    }

    #[test]
    fn no_more_is_gathered_than_there_is_room_for() {
        let mut flow = Gathering::new(Writes::default(), Valve::new());
        let cx = &mut Context::from_waker(Waker::noop());
        let mut taken = 0;
        while let Poll::Ready(written) = Pin::new(&mut flow).poll_write(cx, &[7; 10_000]) {
            taken += written.unwrap();
        }
        assert_eq!(taken, MOST);
        flow.flow.room = usize::MAX;
        let pieces = [io::IoSlice::new(&[8; 10]), io::IoSlice::new(&[9; 20])];
        assert!(matches!(Pin::new(&mut flow).poll_write_vectored(cx, &pieces), Poll::Ready(Ok(30))));
        assert_eq!((flow.flow.each.concat().len(), flow.held.len()), (MOST, 30));
    }
}
