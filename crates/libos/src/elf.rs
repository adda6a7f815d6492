//! The program's own headers in memory: which of its pages may be written, which executed, and the TLS template.

use crate::tls::Template;

/// A part of the program in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The address of the first byte.
    pub(crate) start: usize,
    /// How many bytes it has in memory.
    pub(crate) size: usize,
    /// Whether they may be changed.
    pub(crate) write: bool,
    /// Whether they may be executed.
    pub(crate) execute: bool,
}

/// Most segments a program may have.
pub(crate) const MOST: usize = 12;

/// What the headers say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    segments: [Option<Segment>; MOST],
    /// The TLS segment; empty where there is none.
    pub(crate) tls: Template,
}

/// Why headers cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ElfError {
    /// The bytes do not begin with a 64-bit ELF header and its program headers.
    NotElf,
    /// A segment may be both written and executed, or there are too many segments.
    Segments,
}

const LOAD: u32 = 1;
const TLS: u32 = 7;
const ENTRY: usize = 56;

impl Program {
    /// Reads the headers at the start of `image`.
    ///
    /// # Errors
    /// Headers that are cut or wrong, and a segment that is both writable and executable.
    pub(crate) fn parse(image: &[u8]) -> Result<Self, ElfError> {
        if image.get(..5) != Some(b"\x7fELF\x02") {
            return Err(ElfError::NotElf);
        }
        let offset = number(image, 32, 8)?;
        let (entry, count) = (number(image, 54, 2)?, number(image, 56, 2)?);
        if entry != ENTRY {
            return Err(ElfError::NotElf);
        }
        let mut program = Self::default();
        let mut loaded = 0;
        for index in 0..count {
            let at = offset.checked_add(index * ENTRY).ok_or(ElfError::NotElf)?;
            let field = |place: usize, size| number(image, at.checked_add(place).ok_or(ElfError::NotElf)?, size);
            let flags = field(4, 4)?;
            let (start, filled, size, align) = (field(16, 8)?, field(32, 8)?, field(40, 8)?, field(48, 8)?);
            match u32::try_from(field(0, 4)?) {
                Ok(LOAD) => {
                    let segment = Segment { start, size, write: flags & 2 != 0, execute: flags & 1 != 0 };
                    if segment.write && segment.execute {
                        return Err(ElfError::Segments);
                    }
                    *program.segments.get_mut(loaded).ok_or(ElfError::Segments)? = Some(segment);
                    loaded += 1;
                }
                Ok(TLS) => program.tls = Template { start, filled, size, align },
                _ => {}
            }
        }
        Ok(program)
    }

    /// The segments, in the headers' order.
    pub(crate) fn segments(&self) -> impl Iterator<Item = Segment> {
        self.segments.iter().copied().flatten()
    }

    /// The first byte behind the program.
    pub(crate) fn end(&self) -> usize {
        self.segments().map(|segment| segment.start.saturating_add(segment.size)).max().unwrap_or(0)
    }
}

fn number(bytes: &[u8], at: usize, size: usize) -> Result<usize, ElfError> {
    let field = bytes.get(at..).and_then(|rest| rest.get(..size)).ok_or(ElfError::NotElf)?;
    Ok(field.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    fn image(headers: &[(u32, u32, u64, u64, u64, u64)]) -> Vec<u8> {
        let mut image = b"\x7fELF\x02".to_vec();
        image.resize(64, 0);
        image[32..40].copy_from_slice(&64u64.to_le_bytes());
        image[54] = 56;
        image[56] = u8::try_from(headers.len()).unwrap();
        for (kind, flags, start, filled, size, align) in headers {
            image.extend(kind.to_le_bytes());
            image.extend(flags.to_le_bytes());
            for field in [0, *start, *start, *filled, *size, *align] {
                image.extend(field.to_le_bytes());
            }
        }
        image
    }

    #[test]
    fn segments_and_the_template_are_found() {
        let image = image(&[
            (1, 4, 0x20_0000, 0x500, 0x500, 0x1000),
            (1, 5, 0x20_1000, 0x900, 0x900, 0x1000),
            (1, 6, 0x20_2000, 0x10, 0x3000, 0x1000),
            (7, 4, 0x20_2000, 8, 0x28, 0x20),
        ]);
        let program = Program::parse(&image).unwrap();
        let rights: Vec<_> = program.segments().map(|segment| (segment.write, segment.execute)).collect();
        assert_eq!(rights, [(false, false), (false, true), (true, false)]);
        assert_eq!(program.tls, Template { start: 0x20_2000, filled: 8, size: 0x28, align: 0x20 });
        assert_eq!(program.end(), 0x20_5000);
    }

    #[test]
    fn what_is_cut_or_writable_code_is_refused() {
        let whole = image(&[(1, 5, 0x20_0000, 1, 1, 1)]);
        for end in 0..whole.len() {
            assert_eq!(Program::parse(&whole[..end]).err(), Some(ElfError::NotElf), "{end} bytes");
        }
        let both = image(&[(1, 7, 0x20_0000, 1, 1, 1)]);
        assert_eq!(Program::parse(&both).err(), Some(ElfError::Segments));
        let many = image(&[(1, 4, 0, 0, 0, 0); MOST + 1]);
        assert_eq!(Program::parse(&many).err(), Some(ElfError::Segments));
    }
}
