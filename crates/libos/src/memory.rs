//! The memory map: what the machine's RAM leaves once the program, the first megabyte and the boot information are taken.

use core::ops::Range;

/// The size of a page.
pub(crate) const PAGE: usize = 0x1000;

/// Firmware and the boot information live below this address; nothing else is put there.
pub(crate) const LOW: usize = 0x10_0000;

/// Cuts one region of RAM down to the whole pages that may become heap: at or above [`LOW`], and outside the
/// program. Where the program lies within the region there are two parts; empty parts are left out.
pub(crate) fn usable(ram: Range<usize>, program: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let whole = ram.start.max(LOW)..ram.end;
    let below = whole.start..whole.end.min(program.start);
    let above = whole.start.max(program.end)..whole.end;
    let disjoint = program.is_empty();
    [if disjoint { whole } else { below }, if disjoint { 0..0 } else { above }].into_iter().filter_map(pages)
}

fn pages(range: Range<usize>) -> Option<Range<usize>> {
    let start = range.start.checked_next_multiple_of(PAGE)?;
    let end = range.end - range.end % PAGE;
    (start < end).then_some(start..end)
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one range is what is meant: a part of memory")]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    fn of(ram: Range<usize>, program: Range<usize>) -> Vec<Range<usize>> {
        usable(ram, program).collect()
    }

    #[test]
    fn the_program_divides_the_ram_that_it_lies_in() {
        let program = 0x20_0000..0x34_5678;
        assert_eq!(of(0x10_0000..0x200_0000, program.clone()), [0x10_0000..0x20_0000, 0x34_6000..0x200_0000]);
        assert_eq!(of(0x1_0000_0000..0x1_4000_0000, program.clone()), [0x1_0000_0000..0x1_4000_0000]);
        assert_eq!(of(0x30_0000..0x33_0000, program.clone()), [0..0; 0], "all of it is the program's");
        assert_eq!(of(0x20_0000..0x40_0000, program), [0x34_6000..0x40_0000]);
    }

    #[test]
    fn low_memory_and_parts_of_pages_are_left_alone() {
        assert_eq!(of(0..0x9_fc00, 0..0), [0..0; 0]);
        assert_eq!(of(0..0x10_2fff, 0..0), [0x10_0000..0x10_2000]);
        assert_eq!(of(0x10_0001..0x10_1fff, 0..0), [0..0; 0]);
        assert_eq!(of(usize::MAX - 10..usize::MAX, 0..0), [0..0; 0]);
    }
}
