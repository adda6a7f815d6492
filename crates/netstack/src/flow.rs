//! One connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::core::{Shared, lock};
use crate::segment::Pair;

/// A connection. Dropping it sends what was written, unless the other end has written what nobody read: that breaks it off, as it does
/// with a socket of an operating system.
pub struct NetFlow {
    core: Shared,
    key: u64,
}

impl NetFlow {
    pub(crate) fn new(core: Shared, key: u64) -> Self {
        Self { core, key }
    }

    /// This machine's end, and the other.
    #[must_use]
    pub fn ends(&self) -> (SocketAddr, SocketAddr) {
        let Pair(ours, theirs) = lock(&self.core).ends(self.key);
        (ours, theirs)
    }

    /// Breaks the connection off: the other end is told of an error, and what was on its way is lost.
    pub fn reset(self) {
        lock(&self.core).reset(self.key);
    }
}

impl AsyncRead for NetFlow {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        lock(&self.core).poll_read(self.key, cx, buf)
    }
}

impl AsyncWrite for NetFlow {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.core).poll_write(self.key, cx, data)
    }

    /// What is written is on its way already: there is no buffer but the one that keeps what is not acknowledged.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.core).finish(self.key);
        Poll::Ready(Ok(()))
    }
}

impl Drop for NetFlow {
    fn drop(&mut self) {
        lock(&self.core).leave(self.key);
    }
}

impl std::fmt::Debug for NetFlow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetFlow").finish_non_exhaustive()
    }
}
