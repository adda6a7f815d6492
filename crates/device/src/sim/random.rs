//! Randomness that repeats itself.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{NoEntropy, Random};

/// Bytes that follow from a seed alone (SplitMix64): the same test gives the same bytes. They are no secret.
#[derive(Clone, Debug)]
pub struct SimRandom {
    state: Arc<Mutex<Option<u64>>>,
}

impl SimRandom {
    /// The sequence of `seed`. Clones draw from one sequence.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(Some(seed))) }
    }

    /// A source that always fails, as a machine without entropy.
    #[must_use]
    pub fn broken() -> Self {
        Self { state: Arc::new(Mutex::new(None)) }
    }

    /// The next number.
    ///
    /// # Errors
    /// [`NoEntropy`] of a broken source.
    pub fn number(&self) -> Result<u64, NoEntropy> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.as_mut().map(split_mix).ok_or(NoEntropy)
    }
}

impl Random for SimRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy> {
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.number()?.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// One step of SplitMix64 (Steele, Lea and Flood, 2014).
pub(crate) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_itself() {
        let (mut a, mut b) = ([0; 21], [0; 21]);
        SimRandom::new(7).fill(&mut a).unwrap();
        SimRandom::new(7).fill(&mut b).unwrap();
        assert_eq!(a, b);
        SimRandom::new(8).fill(&mut b).unwrap();
        assert_ne!(a, b);
        assert_eq!(SimRandom::broken().fill(&mut a), Err(NoEntropy));
    }
}
