//! Failures, told to the operator, and not too often; of those of the store, strangers only learn that there was one.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use device::Clock;
use store::Error as StoreError;

use crate::log::Log;

/// How often the same kind of failure is told again. A damaged store may fail at every request.
const AGAIN: Duration = Duration::from_secs(60);

/// When something was told last that is not to be told often: seconds of the monotonic clock, plus 1; 0 is never.
#[derive(Debug, Default)]
pub(crate) struct Seldom(AtomicU64);

impl Seldom {
    /// Whether it is to be told again now; then it was.
    pub(crate) fn is_due(&self, clock: &dyn Clock) -> bool {
        let now = clock.monotonic().as_secs() + 1;
        let last = self.0.load(Relaxed);
        let is_due = last == 0 || now.saturating_sub(last) >= AGAIN.as_secs();
        is_due && self.0.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }
}

/// What went wrong in the store since the server started.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// When each kind was told last.
    told: [Seldom; 3],
    /// The first damage that was met.
    damaged: OnceLock<String>,
}

impl Troubles {
    /// Logs a failure, unless one of its kind was logged a moment ago. Whether it is one: answers, such as that there is no such paste,
    /// are none.
    pub(crate) fn note(&self, error: &StoreError, clock: &dyn Clock, log: &Log) -> bool {
        let kind = match error {
            StoreError::NotFound | StoreError::Burnt | StoreError::Claimed | StoreError::Exists => return false,
            StoreError::Closed => return false,
            StoreError::Quota { .. } | StoreError::Full => 0,
            StoreError::Damaged(_) => 1,
            _ => 2,
        };
        if let StoreError::Damaged(what) = error {
            self.damaged.get_or_init(|| what.clone());
        }
        if self.told[kind].is_due(clock) {
            log.event(clock.now(), if kind == 0 { "warn" } else { "error" }, &error.to_string());
        }
        true
    }

    /// The first damage that was met: it does not heal by itself.
    pub(crate) fn damaged(&self) -> Option<&str> {
        self.damaged.get().map(String::as_str)
    }
}
