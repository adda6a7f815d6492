//! Connections that nobody holds any more, until both ends are done, their time is over, or others want their places.

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, State};
use tokio::time::Instant;

use super::{Core, HANDSHAKE, LOOK};
use crate::segment::Pair;

/// A connection that nobody holds any more.
pub(super) struct Orphan {
    handle: SocketHandle,
    pair: Pair,
    since: Instant,
}

impl Core {
    pub(super) fn abandon(&mut self, handle: SocketHandle, pair: Pair, abort: bool) {
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        if abort || socket.can_recv() || socket.state() == State::SynSent {
            socket.abort();
        } else {
            self.close(handle);
        }
        self.orphans.push(Orphan { handle, pair, since: Instant::now() });
    }

    /// Forgets a connection that nobody holds here, the oldest of those that keep their places with least reason: the other end has all of
    /// it and only does not say that it is done too; or it takes nothing; or it is slow. Of the latter two each has had as long as one that
    /// begins. What the other end still says is answered with a reset.
    pub(super) fn drop_orphan(&mut self, now: Instant) -> bool {
        let is_done = |orphan: &Orphan| self.socket(orphan.handle).state() == State::FinWait2;
        let had_its_time = |orphan: &&Orphan| now.saturating_duration_since(orphan.since) >= HANDSHAKE;
        // They are in the order in which they were left.
        let late = self.orphans.iter().take_while(had_its_time).count();
        let takes_nothing = |orphan: &Orphan| {
            let recovery = self.pairs.get(&orphan.pair).and_then(|known| known.recovery.as_ref());
            recovery.is_some_and(|recovery| recovery.is_closed())
        };
        let at = self.orphans.iter().position(is_done);
        let at = at.or_else(|| self.orphans.iter().take(late).position(takes_nothing)).or((late > 0).then_some(0));
        let Some(at) = at else { return false };
        let orphan = self.orphans.remove(at);
        self.remove(orphan.handle, &orphan.pair);
        true
    }

    pub(super) fn settle_orphans(&mut self, now: Instant) {
        let mut orphans = std::mem::take(&mut self.orphans);
        orphans.retain(|orphan| {
            let until = orphan.since + self.limits.leaving;
            let socket = self.sockets.get_mut::<Socket<'_>>(orphan.handle);
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
                self.remove(orphan.handle, &orphan.pair);
            } else if now >= until {
                socket.abort();
            }
            !is_over
        });
        self.orphans = orphans;
    }
}
