//! A map by numbers that follow each other.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What has a number of [`Core::id`](super::Core::id)'s. Nobody else chooses these, so they need no hash that withstands choice.
pub(super) type Numbered<T> = HashMap<u64, T, BuildHasherDefault<Spread>>;

/// Numbers that follow each other, spread over all bits.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
