//! Huffman codes of literals (RFC 8878, section 4.2).

use super::Corrupt;
use super::bits::Bits;
use super::fse::{Distribution, Step};

/// The longest code in bits.
const MAX_BITS: u32 = 11;
const SIZE: usize = 1 << MAX_BITS;

/// A symbol in the low byte, its code's length above it, for each pattern of the next `bits` bits.
#[derive(Debug)]
pub(super) struct Table {
    entries: [u16; SIZE],
    /// Zero: there is none yet.
    bits: u32,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { entries: [0; SIZE], bits: 0 }
    }

    pub(super) fn forget(&mut self) {
        self.bits = 0;
    }

    /// Reads a description of the codes; gives how many bytes it took.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<usize, Corrupt> {
        self.bits = 0;
        let (&first, rest) = input.split_first().ok_or(Corrupt)?;
        let mut weights = [0_u8; 256];
        let (count, used) = if let Some(count) = first.checked_sub(127) {
            let count = usize::from(count);
            let packed = rest.get(..count.div_ceil(2)).ok_or(Corrupt)?;
            for (pair, byte) in weights.chunks_exact_mut(2).zip(packed) {
                pair.copy_from_slice(&[byte >> 4, byte & 15]);
            }
            (count, packed.len())
        } else {
            let packed = rest.get(..usize::from(first)).ok_or(Corrupt)?;
            (packed_weights(packed, &mut weights)?, packed.len())
        };
        // What a description of an odd number of weights carries beside them.
        weights.get_mut(count..).ok_or(Corrupt)?.fill(0);
        self.build(&mut weights, count)?;
        Ok(1 + used)
    }

    /// The last symbol's weight is what makes the sum a power of two.
    fn build(&mut self, weights: &mut [u8; 256], count: usize) -> Result<(), Corrupt> {
        let mut ranks = [0_usize; 14];
        let mut sum = 0_u32;
        for &weight in weights.iter().take(count) {
            if u32::from(weight) > MAX_BITS {
                return Err(Corrupt);
            }
            *ranks.get_mut(usize::from(weight)).ok_or(Corrupt)? += 1;
            sum += (1 << weight) >> 1;
        }
        let bits = sum.checked_ilog2().ok_or(Corrupt)? + 1;
        let left = (1_u32 << bits) - sum;
        if bits > MAX_BITS || !left.is_power_of_two() {
            return Err(Corrupt);
        }
        let last = left.ilog2() as u8 + 1;
        *weights.get_mut(count).ok_or(Corrupt)? = last;
        *ranks.get_mut(usize::from(last)).ok_or(Corrupt)? += 1;

        let mut starts = [0_usize; 14];
        let mut at = 0;
        for (weight, start) in starts.iter_mut().enumerate().skip(1) {
            *start = at;
            at += ranks.get(weight).copied().unwrap_or(0) << (weight - 1);
        }
        for (symbol, &weight) in weights.iter().take(count + 1).enumerate() {
            if weight == 0 {
                continue;
            }
            let start = starts.get_mut(usize::from(weight)).ok_or(Corrupt)?;
            let end = *start + (1 << (weight - 1));
            let length = (bits + 1 - u32::from(weight)) as u16;
            self.entries.get_mut(*start..end).ok_or(Corrupt)?.fill(symbol as u16 | length << 8);
            *start = end;
        }
        self.bits = bits;
        Ok(())
    }

    /// Decodes one stream, which has to hold exactly `out`.
    pub(super) fn one(&self, stream: &[u8], out: &mut [u8]) -> Result<(), Corrupt> {
        if self.bits == 0 {
            return Err(Corrupt);
        }
        let mut bits = Bits::new(stream)?;
        self.rest(&mut bits, stream, out)
    }

    /// Decodes four streams side by side (RFC 8878, section 3.1.1.3.1.6).
    pub(super) fn four(&self, input: &[u8], out: &mut [u8]) -> Result<(), Corrupt> {
        if self.bits == 0 {
            return Err(Corrupt);
        }
        let (sizes, rest) = input.split_first_chunk::<6>().ok_or(Corrupt)?;
        let size = |n: usize| usize::from(sizes[2 * n]) | usize::from(sizes[2 * n + 1]) << 8;
        let (a, rest) = rest.split_at_checked(size(0)).ok_or(Corrupt)?;
        let (b, rest) = rest.split_at_checked(size(1)).ok_or(Corrupt)?;
        let (c, d) = rest.split_at_checked(size(2)).ok_or(Corrupt)?;
        let quarter = out.len().div_ceil(4);
        let (out_a, out) = out.split_at_mut_checked(quarter).ok_or(Corrupt)?;
        let (out_b, out) = out.split_at_mut_checked(quarter).ok_or(Corrupt)?;
        let (out_c, out_d) = out.split_at_mut_checked(quarter).ok_or(Corrupt)?;

        let (mut bits_a, mut bits_b) = (Bits::new(a)?, Bits::new(b)?);
        let (mut bits_c, mut bits_d) = (Bits::new(c)?, Bits::new(d)?);
        let mut done = 0;
        // Five codes of eleven bits fit a window. The last stream is the shortest.
        while done + 5 <= out_d.len()
            && !(bits_a.near_end() || bits_b.near_end() || bits_c.near_end() || bits_d.near_end())
        {
            let (Some(to_a), Some(to_b), Some(to_c), Some(to_d)) =
                (five(out_a, done), five(out_b, done), five(out_c, done), five(out_d, done))
            else {
                break;
            };
            bits_a.refill(a);
            bits_b.refill(b);
            bits_c.refill(c);
            bits_d.refill(d);
            for n in 0..5 {
                to_a[n] = self.next(&mut bits_a);
                to_b[n] = self.next(&mut bits_b);
                to_c[n] = self.next(&mut bits_c);
                to_d[n] = self.next(&mut bits_d);
            }
            done += 5;
        }
        for (bits, stream, out) in
            [(&mut bits_a, a, out_a), (&mut bits_b, b, out_b), (&mut bits_c, c, out_c), (&mut bits_d, d, out_d)]
        {
            self.rest(bits, stream, out.get_mut(done..).ok_or(Corrupt)?)?;
        }
        Ok(())
    }

    fn rest(&self, bits: &mut Bits, stream: &[u8], out: &mut [u8]) -> Result<(), Corrupt> {
        for chunk in out.chunks_mut(5) {
            bits.refill(stream);
            for byte in chunk {
                *byte = self.next(bits);
            }
        }
        bits.refill(stream);
        if bits.finished() { Ok(()) } else { Err(Corrupt) }
    }

    #[inline(always)]
    fn next(&self, bits: &mut Bits) -> u8 {
        let entry = self.entries[bits.peek(self.bits) & (SIZE - 1)];
        bits.skip(u32::from(entry >> 8));
        entry as u8
    }
}

#[inline(always)]
fn five(out: &mut [u8], at: usize) -> Option<&mut [u8; 5]> {
    out.get_mut(at..)?.first_chunk_mut()
}

/// Weights compressed by two interleaved states (RFC 8878, section 4.2.1.2); gives how many there are.
fn packed_weights(input: &[u8], weights: &mut [u8; 256]) -> Result<usize, Corrupt> {
    let (distribution, used) = Distribution::read(input, MAX_BITS as usize + 2, 6)?;
    let mut table = [Step::default(); 64];
    distribution.table(&mut table)?;
    let stream = input.get(used..).ok_or(Corrupt)?;
    let mut bits = Bits::new(stream)?;
    let mut states = [bits.read(distribution.log()), bits.read(distribution.log())];
    bits.refill(stream);
    if bits.overrun() {
        return Err(Corrupt);
    }
    // The last of 256 symbols has no weight here.
    for count in 0..254 {
        let [state, other] = &mut states;
        let step = table[*state & 63];
        weights[count] = step.symbol;
        *state = usize::from(step.base) + bits.read(u32::from(step.bits));
        bits.refill(stream);
        if bits.overrun() {
            weights[count + 1] = table[*other & 63].symbol;
            return Ok(count + 2);
        }
        states.swap(0, 1);
    }
    Err(Corrupt)
}
