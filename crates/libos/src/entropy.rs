//! A pool that sources of entropy are mixed into, and bytes drawn from: a chain of SHA-256. Who learns a state learns
//! nothing of what was drawn before; one good source makes the pool good, whatever the others gave.

use sha2::{Digest, Sha256};

/// What a hash is for, so that none is another's.
const MIX: u8 = 0;
const DRAW: u8 = 1;
const NEXT: u8 = 2;

/// The pool.
pub(crate) struct Pool {
    state: [u8; 32],
    seeded: bool,
}

impl Pool {
    /// A pool that nothing was mixed into: nothing may be drawn from it.
    pub(crate) const fn new() -> Self {
        Self { state: [0; 32], seeded: false }
    }

    /// Whether something was mixed into it.
    pub(crate) fn seeded(&self) -> bool {
        self.seeded
    }

    /// Mixes bytes into the pool.
    pub(crate) fn mix(&mut self, source: &[u8]) {
        self.state = self.hash(MIX, source);
        self.seeded = true;
    }

    /// Draws bytes.
    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        for (number, part) in (0u64..).zip(out.chunks_mut(32)) {
            let block = self.hash(DRAW, &number.to_le_bytes());
            part.copy_from_slice(&block[..part.len()]);
        }
        self.state = self.hash(NEXT, &[]);
    }

    fn hash(&self, purpose: u8, more: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update([purpose]).chain_update(self.state).chain_update(more).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;

    fn drawn(sources: &[&[u8]]) -> [u8; 70] {
        let mut pool = Pool::new();
        sources.iter().for_each(|source| pool.mix(source));
        let mut out = [0; 70];
        pool.fill(&mut out);
        out
    }

    #[test]
    fn each_source_and_their_order_count() {
        let all = [drawn(&[b"a"]), drawn(&[b"b"]), drawn(&[b"a", b"b"]), drawn(&[b"b", b"a"]), drawn(&[b"ab"])];
        for (index, one) in all.iter().enumerate() {
            assert!(all[..index].iter().all(|other| other != one), "{index}");
        }
        assert_eq!(drawn(&[b"a"]), drawn(&[b"a"]));
    }

    #[test]
    fn nothing_is_drawn_twice() {
        let mut pool = Pool::new();
        assert!(!pool.seeded());
        pool.mix(b"seed");
        assert!(pool.seeded());
        let (mut first, mut second) = ([0; 64], [0; 64]);
        pool.fill(&mut first);
        pool.fill(&mut second);
        let blocks = [&first[..32], &first[32..], &second[..32], &second[32..]];
        for (index, block) in blocks.iter().enumerate() {
            assert!(blocks[..index].iter().all(|other| other != block), "{index}");
        }
    }
}
