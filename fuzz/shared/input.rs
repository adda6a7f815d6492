//! What the fuzz targets make of the bytes they are given.

/// Takes values off the front of some bytes; zeros, once there are none.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// What comes before the next `end`, which is taken too; all of it where there is none.
    pub(crate) fn until(&mut self, end: u8) -> &'a [u8] {
        let at = self.0.iter().position(|&b| b == end).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(at);
        self.0 = rest.get(1..).unwrap_or_default();
        taken
    }

    /// Up to as many bytes as the next byte says.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let n = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(n);
        self.0 = rest;
        taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// xorshift64: the same numbers from the same seed, everywhere.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`, which is above 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end
    }

    /// Cuts `bytes` into pieces, some empty: mostly of a few bytes, or of around `size`.
    pub(crate) fn pieces<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let most = [1, 3, 8, 64, 5000][self.below(5)];
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let n = self.below(most + 1).min(bytes.len());
            pieces.push(&bytes[..n]);
            bytes = &bytes[n..];
        }
        pieces
    }
}
