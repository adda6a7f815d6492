//! Bit streams that are read from their end (RFC 8878, section 4.1).

use super::Corrupt;

/// Bytes past the end of a buffer into which short copies may write; it is never read as output.
pub(super) const SLACK: usize = 32;

/// A reader without its bytes, so that it can be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits {
    /// Eight bytes of the stream, of which the topmost come next.
    window: u64,
    /// Bits of the window that are used up; more than 64 when the stream ended too early.
    used: u32,
    /// Where the window begins in the stream.
    at: usize,
}

impl Bits {
    /// The last byte's highest set bit ends the stream and is no part of it.
    pub(super) fn new(stream: &[u8]) -> Result<Self, Corrupt> {
        let last = *stream.last().ok_or(Corrupt)?;
        if last == 0 {
            return Err(Corrupt);
        }
        let mark = last.leading_zeros() + 1;
        if let Some(at) = stream.len().checked_sub(8) {
            return Ok(Self { window: word(stream, at), used: mark, at });
        }
        let mut bytes = [0; 8];
        bytes.get_mut(..stream.len()).ok_or(Corrupt)?.copy_from_slice(stream);
        let missing = 8 * (8 - stream.len() as u32);
        Ok(Self { window: u64::from_le_bytes(bytes), used: missing + mark, at: 0 })
    }

    /// The next `n` bits, at most 56; what lies before the stream's beginning is arbitrary.
    #[inline(always)]
    pub(super) fn peek(&self, n: u32) -> usize {
        ((self.window << (self.used & 63)) >> 1 >> ((63 - n) & 63)) as usize
    }

    #[inline(always)]
    pub(super) fn skip(&mut self, n: u32) {
        self.used += n;
    }

    #[inline(always)]
    pub(super) fn read(&mut self, n: u32) -> usize {
        let value = self.peek(n);
        self.skip(n);
        value
    }

    /// Moves the window, so that at least 57 bits are in it unless the stream is about to end.
    #[inline(always)]
    pub(super) fn refill(&mut self, stream: &[u8]) {
        let step = (self.used >> 3) as usize;
        if step <= self.at {
            self.at -= step;
            self.used &= 7;
        } else if self.used <= 64 {
            self.used -= 8 * self.at as u32;
            self.at = 0;
        } else {
            return;
        }
        if stream.len() >= 8 {
            self.window = word(stream, self.at);
        }
    }

    /// Whether more was read than there is. Holds after [`Bits::refill`].
    #[inline(always)]
    pub(super) fn overrun(&self) -> bool {
        self.used > 64
    }

    /// Whether all was read, and not more.
    pub(super) fn finished(&self) -> bool {
        self.at == 0 && self.used == 64
    }

    /// Whether the window holds the stream's first byte: there is nothing to move to.
    #[inline(always)]
    pub(super) fn near_end(&self) -> bool {
        self.at < 8
    }
}

#[inline(always)]
fn word(stream: &[u8], at: usize) -> u64 {
    match stream.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_backwards_over_any_length() {
        for len in 1..20_usize {
            let mut stream: alloc::vec::Vec<u8> = (0..len as u8).map(|n| n.wrapping_mul(37)).collect();
            stream[len - 1] = 0b0001_0110;
            let mut bits = Bits::new(&stream).unwrap();
            assert_eq!(bits.read(4), 0b0110, "{len}");
            for n in (0..len - 1).rev() {
                bits.refill(&stream);
                assert_eq!(bits.read(8), usize::from(stream[n]), "{len}");
            }
            bits.refill(&stream);
            assert!(bits.finished() && !bits.overrun(), "{len}");
            bits.skip(1);
            bits.refill(&stream);
            assert!(bits.overrun() && !bits.finished(), "{len}");
        }
        assert!(Bits::new(&[]).is_err() && Bits::new(&[1, 0]).is_err());
    }
}
