//! The literals of a block (RFC 8878, section 3.1.1.3.1).

use alloc::vec::Vec;

use super::bits::SLACK;
use super::huffman::Table;
use super::{BLOCK, Corrupt};

/// Decodes the literals at the beginning of `block` into `literals`, behind which [`SLACK`] bytes are left; gives how many there are,
/// and how many bytes of the block they took.
pub(super) fn read(block: &[u8], table: &mut Table, literals: &mut Vec<u8>) -> Result<(usize, usize), Corrupt> {
    let byte = |n: usize| block.get(n).map(|b| u64::from(*b)).ok_or(Corrupt);
    let first = byte(0)?;
    let (kind, format) = (first & 3, (first >> 2) & 3);
    let header = match (kind, format) {
        (0 | 1, 0 | 2) => 1,
        (0 | 1, 1) => 2,
        (0 | 1, _) | (_, 0 | 1) => 3,
        (_, 2) => 4,
        _ => 5,
    };
    let mut fields = 0;
    for n in 0..header {
        fields |= byte(n)? << (8 * n);
    }
    if kind < 2 {
        let size = (fields >> if header == 1 { 3 } else { 4 }) as usize;
        room(literals, size)?;
        let to = literals.get_mut(..size).ok_or(Corrupt)?;
        let coded = if kind == 0 { size } else { 1 };
        let from = block.get(header..header + coded).ok_or(Corrupt)?;
        if let [one] = from {
            to.fill(*one);
        } else {
            to.copy_from_slice(from);
        }
        return Ok((size, header + coded));
    }
    let width = match format {
        0 | 1 => 10,
        2 => 14,
        _ => 18,
    };
    let size = (fields >> 4) as usize & ((1 << width) - 1);
    let coded = (fields >> (4 + width)) as usize & ((1 << width) - 1);
    room(literals, size)?;
    let mut streams = block.get(header..header + coded).ok_or(Corrupt)?;
    if kind == 2 {
        streams = streams.get(table.read(streams)?..).ok_or(Corrupt)?;
    }
    let to = literals.get_mut(..size).ok_or(Corrupt)?;
    if format == 0 {
        table.one(streams, to)?
    } else {
        table.four(streams, to)?
    }
    Ok((size, header + coded))
}

fn room(literals: &mut Vec<u8>, size: usize) -> Result<(), Corrupt> {
    if size > BLOCK {
        return Err(Corrupt);
    }
    if literals.len() < size + SLACK {
        literals.resize(size + SLACK, 0);
    }
    Ok(())
}
