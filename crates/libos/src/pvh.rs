//! What a PVH loader tells a kernel: `hvm_start_info`, version 1 (Xen, `xen/include/public/arch-x86/hvm/start_info.h`).

use core::ops::Range;

/// The first words of the structure, all little-endian.
const MAGIC: u32 = 0x336e_c578;

/// The bytes of the structure that are read.
pub(crate) const SIZE: usize = 56;

/// The bytes of one entry of the memory map.
pub(crate) const ENTRY: usize = 24;

/// Most entries of the memory map that are read.
pub(crate) const MOST: usize = 64;

/// What it says; addresses are physical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StartInfo {
    /// The command line, ended by a zero byte; 0 where there is none.
    pub(crate) command_line: u64,
    /// The memory map.
    pub(crate) map: u64,
    /// How many entries it has, [`MOST`] at most.
    pub(crate) entries: usize,
}

impl StartInfo {
    /// Reads the structure; `None` where it is another, or too old to have a memory map.
    pub(crate) fn parse(bytes: &[u8; SIZE]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        if word(0) != MAGIC || word(4) < 1 {
            return None;
        }
        let entries = usize::try_from(word(48)).ok()?.min(MOST);
        Some(Self { command_line: long(24), map: long(40), entries })
    }
}

/// The RAM that an entry of the map describes; `None` where it is something else.
pub(crate) fn ram(entry: &[u8; ENTRY]) -> Option<Range<usize>> {
    let long = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&entry[at..at + 8]);
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    };
    let (start, size) = (long(0)?, long(8)?);
    let kind = u32::from_le_bytes([entry[16], entry[17], entry[18], entry[19]]);
    (kind == 1).then_some(start..start.checked_add(size)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: u32, entries: u32) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&version.to_le_bytes());
        bytes[24..32].copy_from_slice(&0x2_0000u64.to_le_bytes());
        bytes[40..48].copy_from_slice(&0x7_0000u64.to_le_bytes());
        bytes[48..52].copy_from_slice(&entries.to_le_bytes());
        bytes
    }

    #[test]
    fn version_1_is_read() {
        let said = StartInfo { command_line: 0x2_0000, map: 0x7_0000, entries: 5 };
        assert_eq!(StartInfo::parse(&info(1, 5)), Some(said));
        assert_eq!(StartInfo::parse(&info(1, u32::MAX)).map(|info| info.entries), Some(MOST));
        assert_eq!(StartInfo::parse(&info(0, 5)), None);
        assert_eq!(StartInfo::parse(&[0; SIZE]), None);
    }

    #[test]
    fn only_ram_is_ram() {
        let entry = |start: u64, size: u64, kind: u32| {
            let mut bytes = [0; ENTRY];
            bytes[..8].copy_from_slice(&start.to_le_bytes());
            bytes[8..16].copy_from_slice(&size.to_le_bytes());
            bytes[16..20].copy_from_slice(&kind.to_le_bytes());
            ram(&bytes)
        };
        assert_eq!(entry(0x10_0000, 0x1f0_0000, 1), Some(0x10_0000..0x200_0000));
        assert_eq!(entry(0xe_0000, 0x2_0000, 2), None);
        assert_eq!(entry(u64::MAX, 2, 1), None);
    }
}
