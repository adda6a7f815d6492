//! Blocks: raw, repeated, compressed (RFC 8878, section 3.1.1.2); the latter can stop after any sequence.

use alloc::vec::Vec;
use core::ops::Range;

use super::bits::{Bits, SLACK};
use super::sequences::{LITERALS, MATCHES, OFFSETS, Table};
use super::{BLOCK, Corrupt, huffman, literals};

/// What one block leaves to the next.
#[derive(Debug)]
pub(super) struct Scratch {
    huffman: huffman::Table,
    lengths: Table,
    offsets: Table,
    matches: Table,
    /// The three offsets used last.
    recent: [usize; 3],
    /// The block's literals, and slack.
    literals: Vec<u8>,
    /// What is made of bytes that were touched early, so that they are.
    touched: u8,
}

/// A compressed block of which not all sequences were carried out.
#[derive(Debug)]
pub(super) struct Pending {
    stream: Range<usize>,
    bits: Bits,
    states: [usize; 3],
    left: usize,
    /// The literals not used so far.
    literals: Range<usize>,
}

/// Literals, then a copy of what was `back` bytes before.
#[derive(Clone, Copy, Default)]
struct Sequence {
    literals: usize,
    back: usize,
    copied: usize,
}

/// How many sequences are read ahead. More do not make it faster: eight is what most processors wait for at once.
const BATCH: usize = 8;

/// Where bytes are decoded to: `bytes` has [`SLACK`] beyond `end`.
pub(super) struct Output<'a> {
    pub(super) bytes: &'a mut [u8],
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) dictionary: &'a [u8],
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self {
            huffman: huffman::Table::new(),
            lengths: Table::new(),
            offsets: Table::new(),
            matches: Table::new(),
            recent: [1, 4, 8],
            literals: Vec::new(),
            touched: 0,
        }
    }

    pub(super) fn reset(&mut self) {
        self.huffman.forget();
        self.lengths.forget();
        self.offsets.forget();
        self.matches.forget();
        self.recent = [1, 4, 8];
    }

    /// Begins the block at `at`: whether it is the last, where the next begins, and what is left to do of it.
    pub(super) fn block(
        &mut self,
        input: &[u8],
        at: usize,
        out: &mut Output<'_>,
    ) -> Result<(bool, usize, Option<Pending>), Corrupt> {
        let header = input.get(at..).and_then(|rest| rest.first_chunk::<3>()).ok_or(Corrupt)?;
        let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let (last, kind, size) = (header & 1 != 0, (header >> 1) & 3, (header >> 3) as usize);
        if size > BLOCK {
            return Err(Corrupt);
        }
        let at = at + 3;
        let coded = if kind == 1 { 1 } else { size };
        let body = input.get(at..at + coded).ok_or(Corrupt)?;
        let pending = match kind {
            0 => {
                out.extend(body)?;
                None
            }
            1 => {
                out.room(size)?.fill(*body.first().ok_or(Corrupt)?);
                out.at += size;
                None
            }
            2 => self.compressed(body, at, out)?,
            _ => return Err(Corrupt),
        };
        Ok((last, at + coded, pending))
    }

    fn compressed(&mut self, body: &[u8], at: usize, out: &mut Output<'_>) -> Result<Option<Pending>, Corrupt> {
        let (size, mut used) = literals::read(body, &mut self.huffman, &mut self.literals)?;
        let byte = |n: usize| body.get(n).map(|b| usize::from(*b)).ok_or(Corrupt);
        let first = byte(used)?;
        let (left, header) = match first {
            0..128 => (first, 1),
            128..255 => (((first - 128) << 8) + byte(used + 1)?, 2),
            _ => (byte(used + 1)? + (byte(used + 2)? << 8) + 0x7F00, 3),
        };
        used += header;
        if left == 0 {
            out.extend(self.literals.get(..size).ok_or(Corrupt)?)?;
            return if used == body.len() { Ok(None) } else { Err(Corrupt) };
        }
        let modes = byte(used)? as u8;
        used += 1;
        if modes & 3 != 0 {
            return Err(Corrupt);
        }
        for (table, code, mode) in [
            (&mut self.lengths, &LITERALS, modes >> 6),
            (&mut self.offsets, &OFFSETS, (modes >> 4) & 3),
            (&mut self.matches, &MATCHES, (modes >> 2) & 3),
        ] {
            used += table.read(code, mode, body.get(used..).ok_or(Corrupt)?)?;
        }
        let stream = body.get(used..).ok_or(Corrupt)?;
        let mut bits = Bits::new(stream)?;
        let states = [bits.read(self.lengths.log()), bits.read(self.offsets.log()), bits.read(self.matches.log())];
        bits.refill(stream);
        if bits.overrun() {
            return Err(Corrupt);
        }
        Ok(Some(Pending { stream: at + used..at + body.len(), bits, states, left, literals: 0..size }))
    }

    /// Carries out sequences until `target` bytes are there or the block ends; up to [`BATCH`] of them more than needed.
    pub(super) fn resume(
        &mut self,
        mut pending: Pending,
        input: &[u8],
        out: &mut Output<'_>,
        target: usize,
    ) -> Result<Option<Pending>, Corrupt> {
        let stream = input.get(pending.stream.clone()).ok_or(Corrupt)?;
        let Pending { mut bits, states: [mut length, mut offset, mut long], mut left, .. } = pending;
        let mut literals = self.literals.get(..pending.literals.end + SLACK).ok_or(Corrupt)?;
        literals = literals.get(pending.literals.start..).ok_or(Corrupt)?;
        let (mut recent, mut touched) = (self.recent, self.touched);
        while left > 0 && out.at < target {
            // Some sequences are read before the first is carried out, and each place in the dictionary is touched at once: these are
            // anywhere in megabytes, and so the processor waits for several of them together instead of one after the other.
            let mut batch = [Sequence::default(); BATCH];
            let (mut count, mut at) = (0, out.at);
            for sequence in batch.iter_mut().take(left) {
                let (l, o, m) = (self.lengths.state(length), self.offsets.state(offset), self.matches.state(long));
                let value = o.value as usize + bits.read(u32::from(o.extra));
                let match_length = m.value as usize + bits.read(u32::from(m.extra));
                if u32::from(o.extra) + u32::from(m.extra) + u32::from(l.extra) > 30 {
                    bits.refill(stream);
                }
                let literal_length = l.value as usize + bits.read(u32::from(l.extra));
                count += 1;
                if count < left {
                    length = usize::from(l.base) + bits.read(u32::from(l.bits));
                    long = usize::from(m.base) + bits.read(u32::from(m.bits));
                    offset = usize::from(o.base) + bits.read(u32::from(o.bits));
                }
                bits.refill(stream);
                let back = distance(&mut recent, value, literal_length)?;
                at += literal_length;
                if let Some(before) = back.checked_sub(at) {
                    let start = out.dictionary.len().wrapping_sub(before);
                    touched ^= out.dictionary.get(start).copied().unwrap_or_default();
                }
                at += match_length;
                *sequence = Sequence { literals: literal_length, back, copied: match_length };
            }
            left -= count;
            if bits.overrun() {
                return Err(Corrupt);
            }
            for sequence in batch.iter().take(count) {
                literals = out.literals(literals, sequence.literals)?;
                out.repeat(sequence.back, sequence.copied)?;
            }
        }
        self.touched = touched;
        self.recent = recent;
        let unused = literals.len().checked_sub(SLACK).ok_or(Corrupt)?;
        let start = pending.literals.end.checked_sub(unused).ok_or(Corrupt)?;
        if left > 0 {
            // A sequence is at least three bytes long.
            if out.at >= out.end {
                return Err(Corrupt);
            }
            pending.literals.start = start;
            return Ok(Some(Pending { bits, states: [length, offset, long], left, ..pending }));
        }
        if !bits.finished() {
            return Err(Corrupt);
        }
        out.extend(literals.get(..unused).ok_or(Corrupt)?)?;
        Ok(None)
    }
}

/// The distance that an offset's value stands for (RFC 8878, section 3.1.1.5).
#[inline(always)]
fn distance(recent: &mut [usize; 3], value: usize, literal_length: usize) -> Result<usize, Corrupt> {
    let [a, b, c] = *recent;
    if value > 3 {
        *recent = [value - 3, a, b];
        return Ok(value - 3);
    }
    let back = match value + usize::from(literal_length == 0) {
        1 => return Ok(a),
        2 => {
            *recent = [b, a, c];
            return Ok(b);
        }
        3 => c,
        _ => a.wrapping_sub(1),
    };
    *recent = [back, a, b];
    if back == 0 { Err(Corrupt) } else { Ok(back) }
}

impl Output<'_> {
    fn room(&mut self, len: usize) -> Result<&mut [u8], Corrupt> {
        if len > self.end - self.at {
            return Err(Corrupt);
        }
        self.bytes.get_mut(self.at..self.at + len).ok_or(Corrupt)
    }

    fn extend(&mut self, from: &[u8]) -> Result<(), Corrupt> {
        self.room(from.len())?.copy_from_slice(from);
        self.at += from.len();
        Ok(())
    }

    /// Takes `len` literals, and gives the others. Both sides have slack, so a short copy needs no length.
    #[inline(always)]
    fn literals<'l>(&mut self, literals: &'l [u8], len: usize) -> Result<&'l [u8], Corrupt> {
        if len + SLACK > literals.len() || len > self.end - self.at {
            return Err(Corrupt);
        }
        let to = self.bytes.get_mut(self.at..).ok_or(Corrupt)?;
        match (to.first_chunk_mut::<SLACK>(), literals.first_chunk::<SLACK>()) {
            (Some(to), Some(from)) if len <= SLACK => *to = *from,
            _ => to.get_mut(..len).ok_or(Corrupt)?.copy_from_slice(literals.get(..len).ok_or(Corrupt)?),
        }
        self.at += len;
        literals.get(len..).ok_or(Corrupt)
    }

    /// Copies `len` bytes from `back` bytes before the end, which may lie in the dictionary and may overlap what is written.
    ///
    /// Most copies are short and overlap nothing: they are one move of [`SLACK`] bytes, wherever they come from. Somewhat longer ones are
    /// a few of these, since a call of the general copy costs as much as ten.
    #[inline(always)]
    fn repeat(&mut self, back: usize, len: usize) -> Result<(), Corrupt> {
        if len > self.end - self.at {
            return Err(Corrupt);
        }
        let (from, start, whole) = match back.checked_sub(self.at) {
            None | Some(0) => (&*self.bytes, self.at - back, back),
            Some(before) => (self.dictionary, self.dictionary.len().checked_sub(before).ok_or(Corrupt)?, before),
        };
        if len <= SLACK
            && len <= whole
            && let Some(chunk) = from.get(start..).and_then(<[u8]>::first_chunk::<SLACK>)
        {
            let chunk = *chunk;
            *self.bytes.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut).ok_or(Corrupt)? = chunk;
            self.at += len;
            return Ok(());
        }
        self.long(back, len)
    }

    #[inline(never)]
    fn long(&mut self, back: usize, mut len: usize) -> Result<(), Corrupt> {
        if back > self.at {
            let before = back - self.at;
            let start = self.dictionary.len().checked_sub(before).ok_or(Corrupt)?;
            let part = len.min(before);
            let from = self.dictionary.get(start..start + part).ok_or(Corrupt)?;
            self.room(part)?.copy_from_slice(from);
            self.at += part;
            len -= part;
            if len == 0 {
                return Ok(());
            }
        }
        let start = self.at - back;
        if back >= SLACK && len <= 4 * SLACK {
            let mut done = 0;
            while done < len {
                let chunk = *self.bytes.get(start + done..).and_then(<[u8]>::first_chunk::<SLACK>).ok_or(Corrupt)?;
                let to = self.bytes.get_mut(self.at + done..).and_then(<[u8]>::first_chunk_mut::<SLACK>);
                *to.ok_or(Corrupt)? = chunk;
                done += SLACK;
            }
            self.at += len;
            return Ok(());
        }
        self.overlapping(start, len)
    }

    /// Each round doubles what can be copied at once.
    fn overlapping(&mut self, start: usize, len: usize) -> Result<(), Corrupt> {
        let end = self.at + len;
        let window = self.bytes.get_mut(start..end).ok_or(Corrupt)?;
        let mut done = self.at - start;
        if done == 1 {
            let byte = *window.first().ok_or(Corrupt)?;
            window.fill(byte);
        } else {
            while done < window.len() {
                let (from, to) = window.split_at_mut(done);
                let part = from.len().min(to.len());
                to.get_mut(..part).ok_or(Corrupt)?.copy_from_slice(from.get(..part).ok_or(Corrupt)?);
                done += part;
            }
        }
        self.at = end;
        Ok(())
    }
}
