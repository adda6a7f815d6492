//! Where registers can lie: what a command line or a device's own tables say is looked at before any of it is touched.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// What is taken already, and how far addresses go.
pub(crate) struct Apart {
    taken: Vec<Range<usize>>,
    end: usize,
}

/// Why registers cannot lie where they are said to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clash {
    /// Not at a multiple of four bytes, as words are.
    Askew,
    /// Beyond what the processor can address.
    Beyond,
    /// Where memory is, or another device.
    Taken,
    /// They are too few.
    Short,
    /// There is no memory for the page tables that lead there.
    Tables,
}

impl Apart {
    /// What is apart from `ram`, below `end`.
    pub(crate) fn new(ram: &[Range<usize>], end: usize) -> Self {
        Self { taken: ram.to_vec(), end }
    }

    /// Whether registers can lie here.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(&self, start: usize, size: usize) -> Result<Range<usize>, Clash> {
        if !start.is_multiple_of(4) {
            return Err(Clash::Askew);
        }
        let end = start.checked_add(size).filter(|end| *end <= self.end).ok_or(Clash::Beyond)?;
        if self.taken.iter().any(|taken| start < taken.end && taken.start < end) {
            return Err(Clash::Taken);
        }
        Ok(start..end)
    }

    /// Has nothing else lie here from now on.
    pub(crate) fn take(&mut self, registers: Range<usize>) {
        self.taken.push(registers);
    }
}

impl fmt::Display for Clash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Askew => "its registers are not at a multiple of four bytes",
            Self::Beyond => "the processor has no such address",
            Self::Taken => "memory is there, or another device",
            Self::Short => "it has too few registers",
            Self::Tables => "there is no memory for page tables that lead there",
        })
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one range is what is meant: a part of memory")]
mod tests {
    use super::*;

    const END: usize = 1 << 40;

    #[test]
    fn registers_lie_apart_from_memory_and_from_each_other() {
        let mut apart = Apart::new(&[0..0x9_fc00, 0x10_0000..0x200_0000], END);
        for (start, size, clash) in [
            (0, 512, Some(Clash::Taken)),
            (0x1ff_fffc, 512, Some(Clash::Taken)),
            (0x9_fc00, 512, None),
            (0x200_0000, 0x1000, None),
            (0x200_0000, 0x1000, Some(Clash::Taken)),
            (0x200_0ffc, 4, Some(Clash::Taken)),
            (0x200_1000, 4, None),
            (0xf_fffc, 8, Some(Clash::Taken)),
        ] {
            let registers = apart.check(start, size);
            assert_eq!(registers.as_ref().err(), clash.as_ref(), "{size} bytes at {start:#x}");
            registers.into_iter().for_each(|registers| apart.take(registers));
        }
    }

    #[test]
    fn what_cannot_be_touched_is_nobodys() {
        let apart = Apart::new(&[], END);
        for start in [0xd000_0001, 0xd000_0002, 0xd000_0003] {
            assert_eq!(apart.check(start, 512), Err(Clash::Askew), "{start:#x}");
        }
        for start in [END - 508, END, 1 << 47, usize::MAX << 47, usize::MAX - 511, usize::MAX - 3] {
            assert_eq!(apart.check(start, 512), Err(Clash::Beyond), "{start:#x}");
        }
        assert!(apart.check(END - 512, 512).is_ok());
    }
}
