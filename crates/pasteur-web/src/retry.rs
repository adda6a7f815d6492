//! How long to wait before a broken connection is tried again.

/// Waits that double from a quarter of a second to eight seconds; arriving bytes start them over.
/// After about two minutes without a byte it gives up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

const MOST: u32 = 18;

impl Backoff {
    /// Something arrived.
    pub(crate) fn progress(&mut self) {
        self.failures = 0;
    }

    /// Milliseconds to wait before the next try, or `None` to give up. `asked`: the seconds a server asked for.
    pub(crate) fn next_wait(&mut self, asked: Option<u64>) -> Option<u32> {
        if self.failures == MOST {
            return None;
        }
        let wait = 250 << self.failures.min(5);
        self.failures += 1;
        // A server may ask for more patience, but not for so much that the page seems dead.
        let asked = u32::try_from(asked.unwrap_or(0).min(60)).unwrap_or(60) * 1000;
        Some(asked.max(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_a_bound_then_gives_up() {
        let mut backoff = Backoff::default();
        let waits: alloc::vec::Vec<u32> = core::iter::from_fn(|| backoff.next_wait(None)).collect();
        assert_eq!(waits[..7], [250, 500, 1000, 2000, 4000, 8000, 8000]);
        assert_eq!(waits.len(), MOST as usize);
        let all: u32 = waits.iter().sum();
        assert!((60_000..180_000).contains(&all), "{all}");
    }

    #[test]
    fn progress_starts_over_and_a_server_may_ask_for_more() {
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            backoff.next_wait(None);
        }
        backoff.progress();
        assert_eq!(backoff.next_wait(None), Some(250));
        assert_eq!(backoff.next_wait(Some(3)), Some(3000));
        assert_eq!(backoff.next_wait(Some(u64::MAX)), Some(60_000));
    }
}
