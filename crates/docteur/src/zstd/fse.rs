//! Finite state entropy tables (RFC 8878, section 4.1.1).

use super::Corrupt;

/// A probability of each symbol; -1 stands for less than one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Distribution {
    counts: [i16; MAX_SYMBOLS],
    symbols: usize,
    log: u32,
}

/// Codes of match lengths are the most symbols that sequences have; weights have 13.
pub(super) const MAX_SYMBOLS: usize = 53;

/// Where a state leads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    pub(super) symbol: u8,
    pub(super) bits: u8,
    pub(super) base: u16,
}

impl Distribution {
    pub(super) fn known(counts: &[i16], log: u32) -> Self {
        let mut all = [0; MAX_SYMBOLS];
        for (to, from) in all.iter_mut().zip(counts) {
            *to = *from;
        }
        Self { counts: all, symbols: counts.len().min(MAX_SYMBOLS), log }
    }

    /// Reads a distribution of at most `symbols` symbols and `log` bits; gives how many bytes it took.
    pub(super) fn read(input: &[u8], symbols: usize, log: u32) -> Result<(Self, usize), Corrupt> {
        let mut bits = Forward { input, at: 0 };
        let accuracy = bits.read(4)? + 5;
        if accuracy > log {
            return Err(Corrupt);
        }
        let mut counts = [0; MAX_SYMBOLS];
        let mut symbol = 0;
        let mut left = 1_u32 << accuracy;
        while left > 0 {
            let width = (left + 1).ilog2() + 1;
            let value = bits.peek(width);
            let low = value & ((1 << (width - 1)) - 1);
            let short = (1 << width) - 1 - (left + 1);
            let value = if low < short {
                bits.skip(width - 1)?;
                low
            } else {
                bits.skip(width)?;
                if value == low { value } else { value - short }
            };
            if symbol >= symbols {
                return Err(Corrupt);
            }
            *counts.get_mut(symbol).ok_or(Corrupt)? = value as i16 - 1;
            symbol += 1;
            left = left.checked_sub(value.abs_diff(1)).ok_or(Corrupt)?;
            if value == 1 {
                loop {
                    let zeros = bits.read(2)?;
                    symbol += zeros as usize;
                    if symbol > symbols {
                        return Err(Corrupt);
                    }
                    if zeros < 3 {
                        break;
                    }
                }
            }
        }
        Ok((Self { counts, symbols: symbol, log: accuracy }, bits.at.div_ceil(8)))
    }

    pub(super) fn log(&self) -> u32 {
        self.log
    }

    /// Fills the first 2^log steps of `table`.
    pub(super) fn table(&self, table: &mut [Step]) -> Result<(), Corrupt> {
        let size = 1_usize << self.log;
        let table = table.get_mut(..size).ok_or(Corrupt)?;
        let mut high = size;
        let mut next = [0_u16; MAX_SYMBOLS];
        let counts = self.counts.iter().take(self.symbols);
        for (symbol, &count) in counts.clone().enumerate() {
            if count == -1 {
                high = high.checked_sub(1).ok_or(Corrupt)?;
                table.get_mut(high).ok_or(Corrupt)?.symbol = symbol as u8;
            }
        }
        let (stride, mask) = ((size >> 1) + (size >> 3) + 3, size - 1);
        let mut at = 0;
        for ((symbol, &count), next) in counts.enumerate().zip(&mut next) {
            *next = count.unsigned_abs();
            for _ in 0..count.max(0) {
                table.get_mut(at).ok_or(Corrupt)?.symbol = symbol as u8;
                at = (at + stride) & mask;
                while at >= high {
                    if high == 0 {
                        return Err(Corrupt);
                    }
                    at = (at + stride) & mask;
                }
            }
        }
        if at != 0 {
            return Err(Corrupt);
        }
        for step in table {
            let next = next.get_mut(usize::from(step.symbol)).ok_or(Corrupt)?;
            let state = u32::from(*next);
            *next += 1;
            let bits = self.log.checked_sub(state.checked_ilog2().ok_or(Corrupt)?).ok_or(Corrupt)?;
            step.bits = bits as u8;
            step.base = ((state << bits) - size as u32) as u16;
        }
        Ok(())
    }
}

/// Bits from the beginning.
struct Forward<'a> {
    input: &'a [u8],
    /// In bits.
    at: usize,
}

impl Forward<'_> {
    /// At most 16 bits; zeros past the end.
    fn peek(&self, n: u32) -> u32 {
        let byte = |n: usize| u32::from(self.input.get(self.at / 8 + n).copied().unwrap_or(0));
        let word = byte(0) | byte(1) << 8 | byte(2) << 16;
        (word >> (self.at % 8)) & ((1 << n) - 1)
    }

    fn skip(&mut self, n: u32) -> Result<(), Corrupt> {
        self.at += n as usize;
        if self.at <= 8 * self.input.len() { Ok(()) } else { Err(Corrupt) }
    }

    fn read(&mut self, n: u32) -> Result<u32, Corrupt> {
        let value = self.peek(n);
        self.skip(n)?;
        Ok(value)
    }
}
