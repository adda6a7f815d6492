//! The operating system's clocks.

use std::time::{Duration, Instant, SystemTime};

use device::{Clock, Timestamp};

/// The system's wall clock, and time since this value was made.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A clock set before 1970 reads as 1970: pastes then live too long, never too short.
        Timestamp(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs()))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
