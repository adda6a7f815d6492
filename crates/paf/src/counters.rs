//! What a service has done so far, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Running totals of a service. Each is exact; together they are not one moment's.
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) evicted: AtomicU64,
    pub(crate) slow: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) accept_errors: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
}

/// One reading of [`Counters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Connections accepted, among them those refused.
    pub accepted: u64,
    /// Connections refused because a limit on their number was reached.
    pub refused: u64,
    /// Waiting connections closed to make room for another.
    pub evicted: u64,
    /// Connections cut, or requests refused, because the client was too slow.
    pub slow: u64,
    /// Requests whose head was not HTTP or too large.
    pub malformed: u64,
    /// Failures to accept.
    pub accept_errors: u64,
    /// Connections open now.
    pub open: u64,
    /// Requests given to the handler.
    pub requests: u64,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}

impl Counters {
    /// Reads them.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            accepted: self.accepted.load(Relaxed),
            refused: self.refused.load(Relaxed),
            evicted: self.evicted.load(Relaxed),
            slow: self.slow.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
            accept_errors: self.accept_errors.load(Relaxed),
            open: self.open.load(Relaxed),
            requests: self.requests.load(Relaxed),
            received: self.received.load(Relaxed),
            sent: self.sent.load(Relaxed),
        }
    }
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
