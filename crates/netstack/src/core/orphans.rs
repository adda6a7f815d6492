//! Connections that nobody holds any more, until both ends are done or their time is over.

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, State};
use tokio::time::Instant;

use super::{Core, LOOK};
use crate::segment::Pair;

/// A connection that nobody holds any more.
pub(super) struct Orphan {
    handle: SocketHandle,
    pair: Pair,
    until: Instant,
}

impl Core {
    pub(super) fn abandon(&mut self, handle: SocketHandle, pair: Pair, abort: bool) {
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        if abort || socket.can_recv() || socket.state() == State::SynSent {
            socket.abort();
        } else {
            self.close(handle);
        }
        self.orphans.push(Orphan { handle, pair, until: Instant::now() + self.limits.leaving });
    }

    /// Forgets a connection that nobody holds here, and whose other end has all of it and only does not say that it is done too: it would
    /// have its place for as long as it may take to leave. What it still says is answered with a reset.
    pub(super) fn drop_orphan(&mut self) -> bool {
        let is_done = |orphan: &Orphan| self.socket(orphan.handle).state() == State::FinWait2;
        let Some(at) = self.orphans.iter().position(is_done) else { return false };
        let orphan = self.orphans.swap_remove(at);
        self.remove(orphan.handle, &orphan.pair);
        true
    }

    pub(super) fn settle_orphans(&mut self, now: Instant) {
        let mut at = 0;
        while let Some(orphan) = self.orphans.get(at) {
            let (until, handle) = (orphan.until, orphan.handle);
            let socket = self.sockets.get_mut::<Socket<'_>>(handle);
            if socket.can_recv() {
                // Nobody reads this: the other end is told, and not left to write for ever.
                socket.abort();
            }
            // An abort is over once its reset is sent.
            let is_over = match socket.state() {
                State::Closed => socket.remote_endpoint().is_none() || now >= until + LOOK,
                // What the wait is for, segments that come late, is answered with a reset.
                State::TimeWait => true,
                _ => false,
            };
            if is_over {
                let orphan = self.orphans.swap_remove(at);
                self.remove(orphan.handle, &orphan.pair);
                continue;
            }
            if now >= until {
                socket.abort();
            }
            at += 1;
        }
    }
}
