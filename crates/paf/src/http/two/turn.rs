//! How much a connection does at once, before others have their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Requests that a connection begins in one turn. One that has more goes on once others had theirs.
pub(super) const MOST: u32 = 16;

/// The requests that a connection has begun in this turn. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn(Arc<AtomicU32>);

impl Turn {
    /// As many requests begin.
    pub(super) fn begin(&self, requests: u32) {
        self.0.fetch_add(requests, Relaxed);
    }

    /// Whether no more may begin in this one.
    pub(super) fn is_over(&self) -> bool {
        self.0.load(Relaxed) >= MOST
    }

    /// A new one.
    pub(super) fn again(&self) {
        self.0.store(0, Relaxed);
    }
}
