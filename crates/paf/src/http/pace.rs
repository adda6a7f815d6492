//! The slowest pace at which a client may take or give a body.
//!
//! A leaky bucket of time: it starts with `patience`, waiting for the client empties it, and each byte that moves puts
//! `1 / rate` seconds back. So one byte a second runs dry after `patience`, and time the server itself takes costs nothing.
//! It never holds more than it started with, or where time is saved, than a bound: a client that sends what somebody types, or
//! what a machine computes, has earned its pauses by what it sent before, and keeps to the same rate in all.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    patience: Duration,
    /// Nanoseconds that a byte puts back.
    per_byte: u64,
    left: Duration,
    most: Duration,
    since: Option<Instant>,
}

impl Pace {
    pub(super) fn new(patience: Duration, rate: u32) -> Self {
        Self { patience, per_byte: 1_000_000_000 / u64::from(rate.max(1)), left: patience, most: patience, since: None }
    }

    /// The same, but what is sent faster than it has to be saves time for later, up to `most`.
    pub(super) fn saving(mut self, most: Duration) -> Self {
        self.most = most.max(self.patience);
        self
    }

    /// The client is being waited for, from now on if it was not before.
    pub(super) fn wait(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// `bytes` have moved.
    pub(super) fn moved(&mut self, now: Instant, bytes: usize) {
        if let Some(since) = self.since.take() {
            self.left = self.left.saturating_sub(now - since);
        }
        let back = Duration::from_nanos(self.per_byte.saturating_mul(bytes as u64));
        self.left = self.left.saturating_add(back).min(self.most);
    }

    /// Nobody waits any more, and the bucket is full again.
    pub(super) fn reset(&mut self) {
        self.since = None;
        self.left = self.patience;
    }

    /// Whether the client is being waited for.
    pub(super) fn is_waiting(&self) -> bool {
        self.since.is_some()
    }

    /// Since when the client might as well have been waited for: what it is behind counts as if it had been at once.
    /// `None` while nobody waits for it.
    pub(super) fn behind_since(&self) -> Option<Instant> {
        let since = self.since?;
        // Before the clock's beginning nobody waited.
        Some(since.checked_sub(self.patience.saturating_sub(self.left)).unwrap_or(since))
    }

    /// When the patience ends, unless bytes move before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many seconds a client lasts that moves `bytes` each second.
    fn lasts(bytes: usize) -> u32 {
        let start = Instant::now();
        let mut pace = Pace::new(30 * SECOND, 1024);
        for second in 0..600 {
            let now = start + second * SECOND;
            pace.wait(now);
            if pace.deadline().unwrap() < now + SECOND {
                return second;
            }
            pace.moved(now + SECOND, bytes);
        }
        600
    }

    #[test]
    fn one_byte_a_second_runs_dry_and_a_modem_does_not() {
        assert_eq!(lasts(1), 30);
        assert!(lasts(512) < 70);
        assert_eq!(lasts(1024), 600);
    }

    #[test]
    fn what_was_sent_before_is_saved_up_to_a_bound() {
        let start = Instant::now();
        let mut pace = Pace::new(30 * SECOND, 1024).saving(600 * SECOND);
        pace.wait(start);
        pace.moved(start, 100 * 1024);
        pace.wait(start);
        let end = pace.deadline().unwrap() - start;
        assert!(end > 129 * SECOND && end <= 130 * SECOND, "{end:?}");
        // Who waits is behind from when it stopped, whatever it has saved.
        assert_eq!(pace.behind_since(), Some(start));
        pace.moved(start, 1 << 30);
        pace.wait(start);
        assert_eq!(pace.deadline(), Some(start + 600 * SECOND));
    }

    #[test]
    fn a_stall_after_a_gigabyte_is_still_a_stall() {
        let start = Instant::now();
        let mut pace = Pace::new(30 * SECOND, 1024);
        pace.wait(start);
        pace.moved(start, 1 << 30);
        pace.wait(start);
        assert_eq!(pace.deadline(), Some(start + 30 * SECOND));
    }
}
