//! What is kept between requests, within a bound.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Values by key, of at most so much weight together. What was asked for since it had its last turn gets another before it goes.
#[derive(Debug)]
pub(super) struct Kept<K, V> {
    room: usize,
    used: usize,
    values: HashMap<K, Slot<V>>,
    turns: VecDeque<K>,
}

#[derive(Debug)]
struct Slot<V> {
    value: V,
    weight: usize,
    wanted: bool,
}

impl<K: Clone + Eq + Hash, V: Clone> Kept<K, V> {
    pub(super) fn new(room: usize) -> Self {
        Self { room, used: 0, values: HashMap::new(), turns: VecDeque::new() }
    }

    pub(super) fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let slot = self.values.get_mut(key)?;
        slot.wanted = true;
        Some(slot.value.clone())
    }

    /// Keeps a value that is not there yet, if there can be room for it.
    pub(super) fn put(&mut self, key: K, value: V, weight: usize) {
        if weight > self.room || self.values.contains_key(&key) {
            return;
        }
        while self.used > self.room - weight {
            let Some(oldest) = self.turns.pop_front() else { break };
            match self.values.get_mut(&oldest) {
                Some(slot) if slot.wanted => {
                    slot.wanted = false;
                    self.turns.push_back(oldest);
                }
                _ => self.used -= self.values.remove(&oldest).map_or(0, |slot| slot.weight),
            }
        }
        self.used += weight;
        self.turns.push_back(key.clone());
        self.values.insert(key, Slot { value, weight, wanted: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_stays_and_the_bound_holds() {
        let mut kept = Kept::new(100);
        for n in 0..1_000_u32 {
            kept.put(n, n, 10);
            assert_eq!(kept.get(&0), Some(0), "{n}");
            assert!(kept.used <= 100 && kept.values.len() <= 10 && kept.turns.len() == kept.values.len());
        }
        assert_eq!(kept.get(&500), None);
        kept.put(5_000, 1, 101);
        assert_eq!(kept.get(&5_000), None, "more than there is room for");
        kept.put(5_001, 1, 100);
        assert_eq!((kept.get(&5_001), kept.values.len(), kept.used), (Some(1), 1, 100));
    }
}
