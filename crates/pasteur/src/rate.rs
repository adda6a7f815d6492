//! How often a client may do something, in bounded memory.
//!
//! The generic cell rate algorithm: for each client one number, the time at which its bucket will be full again. The
//! table has a fixed size: it is cut into sets of a few places each, a client belongs to one set (by a keyed hash, so
//! that nobody can aim at another's), and a newcomer takes the place whose bucket is fullest, which forgets least.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use paf::Client;

/// Sets of the table.
const SETS: usize = 1024;
/// Places in a set.
const PLACES: usize = 8;

/// A rate limit for each client.
pub(crate) struct Rate {
    per_minute: u32,
    keys: RandomState,
    sets: Box<[Mutex<[Place; PLACES]>]>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    /// The client's hash; 64 bits of a keyed hash do not collide by chance.
    key: u64,
    /// When the bucket is full again, in nanoseconds of the monotonic clock.
    full_at: u64,
}

impl Rate {
    /// `per_minute` a minute, and as many at once; 0 is no limit.
    pub(crate) fn new(per_minute: u32) -> Self {
        let sets = if per_minute == 0 { 0 } else { SETS };
        let sets = (0..sets).map(|_| Mutex::default()).collect();
        Self { per_minute, keys: RandomState::new(), sets }
    }

    /// The rate.
    pub(crate) fn per_minute(&self) -> u32 {
        self.per_minute
    }

    /// Takes one from the client's bucket.
    ///
    /// # Errors
    /// The bucket is empty: the seconds until there is one again, at least 1.
    pub(crate) fn take(&self, client: Client, now: Duration) -> Result<(), u64> {
        self.ask(client, now, true)
    }

    /// Whether [`Rate::take`] would succeed.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn check(&self, client: Client, now: Duration) -> Result<(), u64> {
        self.ask(client, now, false)
    }

    fn ask(&self, client: Client, now: Duration, take: bool) -> Result<(), u64> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let each = 60_000_000_000 / u64::from(self.per_minute);
        let burst = each * u64::from(self.per_minute);
        let key = self.keys.hash_one(client).max(1);
        let mut set = self.sets[key as usize % self.sets.len()].lock().unwrap_or_else(PoisonError::into_inner);
        let known = set.iter().position(|place| place.key == key);
        let full_at = known.map_or(now, |at| set[at].full_at.max(now));
        let next = full_at + each;
        if next - now > burst {
            return Err((next - now - burst).div_ceil(1_000_000_000).max(1));
        }
        if take {
            let fullest = || (0..PLACES).min_by_key(|&at| set[at].full_at).unwrap_or_default();
            let at = known.unwrap_or_else(fullest);
            set[at] = Place { key, full_at: next };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(n: u32) -> Client {
        Client::V4(n.into())
    }

    #[test]
    fn a_minute_gives_so_many_and_as_many_at_once() {
        let rate = Rate::new(6);
        let mut now = Duration::from_secs(5);
        for _ in 0..6 {
            rate.check(client(1), now).unwrap();
            rate.take(client(1), now).unwrap();
        }
        assert_eq!(rate.check(client(1), now), Err(10));
        assert_eq!(rate.take(client(1), now), Err(10));
        rate.take(client(2), now).unwrap();
        now += Duration::from_secs(10);
        rate.take(client(1), now).unwrap();
        assert_eq!(rate.take(client(1), now), Err(10));
        now += Duration::from_secs(3600);
        for _ in 0..6 {
            rate.take(client(1), now).unwrap();
        }
        assert!(rate.take(client(1), now).is_err());
    }

    #[test]
    fn a_flood_of_clients_takes_no_more_memory_and_pushes_out_the_least_limited() {
        let rate = Rate::new(60);
        let now = Duration::from_secs(1);
        for _ in 0..60 {
            rate.take(client(0), now).unwrap();
        }
        for n in 1..200_000 {
            rate.take(client(n), now).unwrap();
        }
        assert_eq!(rate.take(client(0), now), Err(1));
        assert_eq!(rate.sets.len() * PLACES, 8192);
    }

    #[test]
    fn zero_is_no_limit() {
        let rate = Rate::new(0);
        for _ in 0..1000 {
            rate.take(client(1), Duration::ZERO).unwrap();
        }
    }
}
