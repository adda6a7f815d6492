//! Objects that are told by their difference from others: gitformat-pack(5), "Deltified representation".

use std::io::{self, Read, Write};

use super::{Bytes, damaged};

/// How much is copied at once.
const PIECE: usize = 64 << 10;

/// The lengths of the base and of the object, with which a delta begins.
pub(super) fn sizes(delta: &mut impl Read) -> io::Result<(u64, u64)> {
    Ok((size(delta)?, size(delta)?))
}

fn size(delta: &mut impl Read) -> io::Result<u64> {
    let (mut size, mut shift) = (0_u64, 0);
    loop {
        let byte = byte(delta)?;
        let part = u64::from(byte & 0x7F);
        if shift > 63 || part << shift >> shift != part {
            return Err(damaged("a delta's size is too large"));
        }
        size |= part << shift;
        if byte & 0x80 == 0 {
            return Ok(size);
        }
        shift += 7;
    }
}

/// Writes the object that the rest of a delta makes of `base`. The writer holds it to its length.
pub(super) fn apply(base: &Bytes, delta: &mut impl Read, out: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut instruction = [0];
    while delta.read(&mut instruction)? > 0 {
        let [instruction] = instruction;
        match instruction {
            0 => return Err(damaged("a delta has an instruction that is not known")),
            1..=0x7F => {
                let text = buffer.get_mut(..usize::from(instruction)).unwrap_or_default();
                delta.read_exact(text)?;
                out.write_all(text)?;
            }
            0x80.. => {
                let mut field = |bits: std::ops::Range<u8>| -> io::Result<u64> {
                    let mut value = 0;
                    for (place, bit) in bits.enumerate() {
                        if instruction & 1 << bit != 0 {
                            value |= u64::from(byte(delta)?) << (8 * place);
                        }
                    }
                    Ok(value)
                };
                let mut offset = field(0..4)?;
                let mut left = Some(field(4..7)?).filter(|len| *len > 0).unwrap_or(0x1_0000);
                while left > 0 {
                    let len = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
                    let text = buffer.get_mut(..len).unwrap_or_default();
                    base.read_at(offset, text)?;
                    out.write_all(text)?;
                    offset += len as u64;
                    left -= len as u64;
                }
            }
        }
    }
    Ok(())
}

fn byte(delta: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    delta.read_exact(&mut byte)?;
    let [byte] = byte;
    Ok(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(base: &[u8], mut delta: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        apply(&Bytes::Memory(base.to_vec()), &mut delta, &mut out).map(|()| out)
    }

    #[test]
    fn copies_and_insertions_follow_each_other() {
        let base: Vec<u8> = (0..70_000_u32).map(|n| (n / 3) as u8).collect();
        assert_eq!(applied(b"hello, world", &[0x91, 7, 5, 2, b'!', b'?', 0x90, 4]).unwrap(), b"world!?hell");
        // No size is 64 KiB.
        assert_eq!(applied(&base, &[0x81, 9]).unwrap(), &base[9..9 + 0x1_0000]);
        assert_eq!(applied(&base, &[0xF3, 1, 1, 2, 0, 1]).unwrap(), &base[257..257 + 0x1_0002]);
        assert_eq!(applied(b"x", b"").unwrap(), b"");
    }

    #[test]
    fn what_is_not_there_is_not_copied() {
        for delta in [&[0x91, 7, 6][..], &[0x80], &[0x91, 7], &[3, b'a'], &[0], &[0xFF; 8], &[0x8F, 255, 255, 255, 255]]
        {
            assert!(applied(b"hello, world", delta).is_err(), "{delta:?}");
        }
    }

    #[test]
    fn sizes_are_told_in_sevens() {
        assert_eq!(sizes(&mut &[0x05, 0x80, 0x01][..]).unwrap(), (5, 128));
        assert_eq!(size(&mut &[[0xFF; 9].as_slice(), &[1]].concat()[..]).unwrap(), u64::MAX);
        assert!(size(&mut &[[0xFF; 9].as_slice(), &[2]].concat()[..]).is_err());
        assert!(size(&mut &[0x80; 20][..]).is_err() && size(&mut &[0x80][..]).is_err());
    }
}
