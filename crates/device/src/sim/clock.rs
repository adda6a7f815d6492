//! A clock that a test turns by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{Clock, Timestamp};

/// A clock that stands still until it is told to go on. Clones show the same time.
#[derive(Clone, Debug)]
pub struct SimClock {
    time: Arc<Time>,
}

#[derive(Debug)]
struct Time {
    wall: AtomicU64,
    /// Nanoseconds.
    monotonic: AtomicU64,
}

impl SimClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { time: Arc::new(Time { wall: AtomicU64::new(now.0), monotonic: AtomicU64::new(0) }) }
    }

    /// Lets `seconds` pass.
    pub fn advance(&self, seconds: u64) {
        self.time.wall.fetch_add(seconds, Ordering::SeqCst);
        self.time.monotonic.fetch_add(seconds.saturating_mul(1_000_000_000), Ordering::SeqCst);
    }

    /// Lets a time pass on the monotonic clock alone, as within one second of the wall clock.
    pub fn tick(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.time.monotonic.fetch_add(nanoseconds, Ordering::SeqCst);
    }

    /// Sets the wall clock, as an operator or a time server may: backwards, too. The monotonic clock stays.
    pub fn set(&self, now: Timestamp) {
        self.time.wall.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.time.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.time.monotonic.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_only_as_told() {
        let clock = SimClock::new(Timestamp(100));
        let other = clock.clone();
        clock.advance(5);
        other.tick(Duration::from_millis(2));
        assert_eq!(clock.now(), Timestamp(105));
        assert_eq!(clock.monotonic(), Duration::from_millis(5002));
        clock.set(Timestamp(1));
        assert_eq!((other.now(), other.monotonic()), (Timestamp(1), Duration::from_millis(5002)));
    }
}
