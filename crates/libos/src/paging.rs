//! Four-level page tables (Intel SDM 3A 4.5). Addresses map to themselves; what varies is what a page may be used for.
//! Tables live behind [`Frames`], so that a test walks the same code over tables of its own.

use core::ops::Range;

use crate::memory::PAGE;

/// What a page may be used for. No page is both written and executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Touching it is a fault.
    None,
    /// Read.
    Read,
    /// Read and execute.
    Execute,
    /// Read and write.
    Write,
    /// Read and write a device's registers, past the caches.
    Device,
}

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const UNCACHED: u64 = 1 << 4 | 1 << 3;
const HUGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// The size that one entry of the lowest directory maps without a table.
pub(crate) const LARGE: usize = 0x20_0000;

impl Access {
    fn bits(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Read => PRESENT | NO_EXECUTE,
            Self::Execute => PRESENT,
            Self::Write => PRESENT | WRITABLE | NO_EXECUTE,
            Self::Device => PRESENT | WRITABLE | NO_EXECUTE | UNCACHED,
        }
    }
}

/// Where tables are kept: each is one page of 512 entries, known by its physical address.
pub(crate) trait Frames {
    /// A table of zeros, or `None` where memory is out.
    fn table(&mut self) -> Option<u64>;
    /// An entry of a table.
    fn load(&self, table: u64, index: usize) -> u64;
    /// Changes an entry of a table.
    fn store(&mut self, table: u64, index: usize, entry: u64);
}

/// No memory for another table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfFrames;

/// Sets what the pages of `range` may be used for; bounds are rounded outwards to whole pages. A large page that is
/// changed in part becomes 512 small ones.
///
/// # Errors
/// No memory for a table; pages before that point are set.
pub(crate) fn map(frames: &mut impl Frames, root: u64, range: Range<usize>, access: Access) -> Result<(), OutOfFrames> {
    let mut at = range.start - range.start % PAGE;
    while at < range.end {
        let upper = child(frames, root, at >> 39 & 511)?;
        let directory = child(frames, upper, at >> 30 & 511)?;
        let index = at >> 21 & 511;
        let entry = frames.load(directory, index);
        let whole = at.is_multiple_of(LARGE) && range.end - at >= LARGE;
        if whole && (entry & PRESENT == 0 || entry & HUGE != 0) {
            let huge = if access == Access::None { 0 } else { at as u64 | access.bits() | HUGE };
            frames.store(directory, index, huge);
            at += LARGE;
            continue;
        }
        let table = if entry & HUGE != 0 {
            let table = frames.table().ok_or(OutOfFrames)?;
            let (base, bits) = (entry & ADDRESS, entry & !(ADDRESS | HUGE));
            for small in 0..512 {
                frames.store(table, small, (base + (small * PAGE) as u64) | bits);
            }
            frames.store(directory, index, table | PRESENT | WRITABLE);
            table
        } else {
            child(frames, directory, index)?
        };
        frames.store(table, at >> 12 & 511, if access == Access::None { 0 } else { at as u64 | access.bits() });
        at += PAGE;
    }
    Ok(())
}

fn child(frames: &mut impl Frames, table: u64, index: usize) -> Result<u64, OutOfFrames> {
    let entry = frames.load(table, index);
    if entry & PRESENT != 0 {
        return Ok(entry & ADDRESS);
    }
    let new = frames.table().ok_or(OutOfFrames)?;
    frames.store(table, index, new | PRESENT | WRITABLE);
    Ok(new)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    struct Fake(Vec<[u64; 512]>, usize);

    impl Frames for Fake {
        fn table(&mut self) -> Option<u64> {
            (self.0.len() < self.1).then(|| {
                self.0.push([0; 512]);
                (self.0.len() as u64 - 1) << 12
            })
        }
        fn load(&self, table: u64, index: usize) -> u64 {
            self.0[(table >> 12) as usize][index]
        }
        fn store(&mut self, table: u64, index: usize, entry: u64) {
            self.0[(table >> 12) as usize][index] = entry;
        }
    }

    /// The processor's own walk.
    fn walk(fake: &Fake, at: usize) -> Access {
        let mut table = 0;
        for shift in [39, 30, 21, 12] {
            let entry = fake.load(table, at >> shift & 511);
            if entry & PRESENT == 0 {
                return Access::None;
            }
            if shift == 12 || entry & HUGE != 0 {
                let size = 1u64 << shift;
                assert_eq!(entry & ADDRESS & !(size - 1), at as u64 & !(size - 1), "it maps to itself");
                let all = [Access::Read, Access::Execute, Access::Write, Access::Device];
                return all.into_iter().find(|access| access.bits() == entry & !(ADDRESS | HUGE)).unwrap();
            }
            table = entry & ADDRESS;
        }
        unreachable!()
    }

    fn tables() -> Fake {
        Fake([[0; 512]].to_vec(), 64)
    }

    #[test]
    fn pages_have_the_access_that_was_last_set() {
        let mut fake = tables();
        map(&mut fake, 0, 0..0x4000_0000, Access::Write).unwrap();
        map(&mut fake, 0, 0..PAGE, Access::None).unwrap();
        map(&mut fake, 0, 0x20_0000..0x20_1800, Access::Execute).unwrap();
        map(&mut fake, 0, 0x20_2000..0x20_3000, Access::Read).unwrap();
        map(&mut fake, 0, 0xfec0_0000..0xff00_0000, Access::Device).unwrap();
        let cases = [
            (0, Access::None),
            (PAGE, Access::Write),
            (0x20_0000, Access::Execute),
            (0x20_1fff, Access::Execute),
            (0x20_2000, Access::Read),
            (0x20_3000, Access::Write),
            (0x3fff_ffff, Access::Write),
            (0x4000_0000, Access::None),
            (0xfee0_00b0, Access::Device),
            (0xff00_0000, Access::None),
        ];
        for (at, access) in cases {
            assert_eq!(walk(&fake, at), access, "{at:#x}");
        }
        map(&mut fake, 0, 0..PAGE, Access::Write).unwrap();
        assert_eq!(walk(&fake, 0), Access::Write);
    }

    #[test]
    fn large_pages_save_tables() {
        let mut fake = tables();
        map(&mut fake, 0, 0..0x4000_0000, Access::Write).unwrap();
        assert_eq!(fake.0.len(), 3);
        let mut small = Fake([[0; 512]].to_vec(), 2);
        assert_eq!(map(&mut small, 0, 0..PAGE, Access::Write), Err(OutOfFrames));
    }

    #[test]
    fn nothing_is_both_written_and_executed() {
        for access in [Access::None, Access::Read, Access::Execute, Access::Write, Access::Device] {
            assert!(access.bits() & WRITABLE == 0 || access.bits() & NO_EXECUTE != 0, "{access:?}");
        }
    }
}
