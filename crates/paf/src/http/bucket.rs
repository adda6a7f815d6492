//! How often something may happen.

use tokio::time::Instant;

/// How many seconds' worth of a rate may come at once.
pub(super) const BURST: u32 = 10;

/// A token bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Tokens a second.
    rate: u32,
    most: u32,
    left: u32,
    since: Instant,
}

impl Bucket {
    pub(super) fn new(rate: u32, most: u32, now: Instant) -> Self {
        Self { rate, most, left: most, since: now }
    }

    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.left == 0 {
            let nanos = now.saturating_duration_since(self.since).as_nanos();
            let earned = nanos * u128::from(self.rate) / 1_000_000_000;
            self.left = u32::try_from(earned).unwrap_or(u32::MAX).min(self.most);
            self.since = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    pub(super) fn earn(&mut self, tokens: u32) {
        self.left = self.left.saturating_add(tokens).min(self.most);
    }
}
