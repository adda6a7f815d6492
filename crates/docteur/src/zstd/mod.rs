//! A Zstandard decoder (RFC 8878) for one frame of known length, with a raw dictionary by reference.
//!
//! It is here, and not a dependency, for four things at once: it decodes into a buffer that stays, stops at any byte and goes on
//! later; it reads a shared dictionary of megabytes without copying it for each frame; it needs neither `std` nor C; and it is safe
//! code whose memory and time are bounded by the two lengths that it is given. `docs/docteur.md` has what was measured.
//!
//! A frame with a dictionary id or a checksum is refused: an image has no use for them, since each frame is under a hash.

mod bits;
mod block;
mod fse;
mod huffman;
mod literals;
mod sequences;

use alloc::boxed::Box;
use alloc::vec::Vec;

use block::{Pending, Scratch};

/// The input is not a frame of the expected length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// The most bytes of a block, coded or decoded (RFC 8878, section 3.1.1.2.4).
const BLOCK: usize = 128 << 10;

/// Bytes of a decoder beside its output and input: the tables and a block's literals.
pub(crate) const OVERHEAD: usize = core::mem::size_of::<Scratch>() + BLOCK + bits::SLACK;

/// A frame being decoded.
#[derive(Debug)]
pub(crate) struct Decoder {
    out: Vec<u8>,
    len: usize,
    done: usize,
    /// Where the next block begins in the input.
    at: usize,
    last: bool,
    pending: Option<Pending>,
    scratch: Box<Scratch>,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        let scratch = Box::new(Scratch::new());
        Self { out: Vec::new(), len: 0, done: 0, at: 0, last: false, pending: None, scratch }
    }

    /// Begins a frame that decodes to `len` bytes. The memory of the one before is used again.
    pub(crate) fn begin(&mut self, input: &[u8], len: usize) -> Result<(), Corrupt> {
        let room = len.checked_add(bits::SLACK).ok_or(Corrupt)?;
        if self.out.len() < room {
            // Not `resize`, which would copy what is of no use any more.
            self.out = Vec::new();
            self.out = alloc::vec![0; room];
        }
        (self.len, self.done, self.last, self.pending) = (len, 0, false, None);
        self.at = header(input, len)?;
        self.scratch.reset();
        Ok(())
    }

    /// What has been decoded so far.
    pub(crate) fn decoded(&self) -> &[u8] {
        self.out.get(..self.done).unwrap_or_default()
    }

    /// Whether the whole frame is decoded.
    pub(crate) fn is_complete(&self) -> bool {
        self.done == self.len && self.last && self.pending.is_none()
    }

    /// Bytes of memory held.
    pub(crate) fn held(&self) -> usize {
        self.out.capacity() + OVERHEAD
    }

    /// Gives the output away, without what is not decoded.
    pub(crate) fn into_decoded(mut self) -> Vec<u8> {
        self.out.truncate(self.done);
        self.out
    }

    /// Decodes until at least `target` bytes are there; the whole frame is checked for its end if that is all of it.
    ///
    /// `input` and `dictionary` have to be the same from one call to the next.
    pub(crate) fn advance(&mut self, input: &[u8], dictionary: &[u8], target: usize) -> Result<(), Corrupt> {
        if target > self.len {
            return Err(Corrupt);
        }
        while self.done < target || (target == self.len && !self.is_complete()) {
            let mut out = block::Output { bytes: &mut self.out, at: self.done, end: self.len, dictionary };
            match self.pending.take() {
                Some(pending) => self.pending = self.scratch.resume(pending, input, &mut out, target)?,
                None if self.last => return Err(Corrupt),
                None => {
                    let (last, next, pending) = self.scratch.block(input, self.at, &mut out)?;
                    (self.last, self.at, self.pending) = (last, next, pending);
                }
            }
            self.done = out.at;
        }
        if target == self.len && self.at != input.len() { Err(Corrupt) } else { Ok(()) }
    }
}

/// Decodes a whole frame.
pub(crate) fn decode(input: &[u8], dictionary: &[u8], len: usize) -> Result<Vec<u8>, Corrupt> {
    let mut decoder = Decoder::new();
    decoder.begin(input, len)?;
    decoder.advance(input, dictionary, len)?;
    Ok(decoder.into_decoded())
}

/// Reads a frame's header (RFC 8878, section 3.1.1.1), which has to declare `len` bytes; gives where the first block begins.
fn header(input: &[u8], len: usize) -> Result<usize, Corrupt> {
    if input.get(..4) != Some(&[0x28, 0xB5, 0x2F, 0xFD]) {
        return Err(Corrupt);
    }
    let descriptor = *input.get(4).ok_or(Corrupt)?;
    let single = descriptor & 0x20 != 0;
    // A dictionary id, a checksum, or the reserved bit.
    if descriptor & 0x0F != 0 {
        return Err(Corrupt);
    }
    let at = 5 + usize::from(!single);
    let size = match descriptor >> 6 {
        0 if single => 1,
        0 => return Err(Corrupt),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let field = input.get(at..at + size).ok_or(Corrupt)?;
    let mut value = [0; 8];
    value.get_mut(..size).ok_or(Corrupt)?.copy_from_slice(field);
    let declared = u64::from_le_bytes(value) + if size == 2 { 256 } else { 0 };
    if declared == len as u64 { Ok(at + size) } else { Err(Corrupt) }
}

#[cfg(test)]
mod tests;
