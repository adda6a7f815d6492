//! The page tables in use, and the memory that they are kept in.

use core::alloc::Layout;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::elf::Program;
use crate::kernel::memory;
use crate::memory::PAGE;
use crate::paging::{self, Access, Frames, OutOfFrames};

/// Registers of devices that are always there: I/O APICs, virtio-mmio, the local APIC.
const DEVICES: Range<usize> = 0xfe00_0000..0x1_0000_0000;

static ROOT: AtomicU64 = AtomicU64::new(0);

/// Tables from the heap, at the addresses that they map to.
struct Heap;

impl Heap {
    fn entry(table: u64, index: usize) -> *mut u64 {
        let address = usize::try_from(table).unwrap_or(0) + index * 8;
        core::ptr::with_exposed_provenance_mut(address)
    }
}

impl Frames for Heap {
    fn table(&mut self) -> Option<u64> {
        let table = memory::take(Layout::from_size_align(PAGE, PAGE).ok()?)?;
        // SAFETY: the block is a page, and nobody else's.
        unsafe { table.as_ptr().write_bytes(0, PAGE) };
        Some(table.as_ptr().expose_provenance() as u64)
    }

    fn load(&self, table: u64, index: usize) -> u64 {
        // SAFETY: a table of ours, and one of its 512 entries.
        unsafe { Self::entry(table, index).read_volatile() }
    }

    fn store(&mut self, table: u64, index: usize, entry: u64) {
        // SAFETY: a table of ours, and one of its 512 entries; the walker changes only what its caller may.
        unsafe { Self::entry(table, index).write_volatile(entry) };
    }
}

/// Makes the tables that the program runs on, and uses them: RAM is data, the program is what its headers say, page 0 and
/// all else is nothing.
pub(super) fn install(ram: impl Iterator<Item = Range<usize>>, program: &Program) -> Result<(), OutOfFrames> {
    let frames = &mut Heap;
    let root = frames.table().ok_or(OutOfFrames)?;
    for range in ram {
        paging::map(frames, root, range, Access::Write)?;
    }
    paging::map(frames, root, 0..PAGE, Access::None)?;
    for segment in program.segments() {
        let access = match (segment.write, segment.execute) {
            (true, _) => Access::Write,
            (false, true) => Access::Execute,
            (false, false) => Access::Read,
        };
        paging::map(frames, root, segment.start..segment.start + segment.size, access)?;
    }
    paging::map(frames, root, DEVICES, Access::Device)?;
    ROOT.store(root, Ordering::Relaxed);
    // SAFETY: what runs, its stack and its data are mapped as before, and as they are used.
    unsafe { core::arch::asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) };
    Ok(())
}

/// Changes what pages may be used for; `false` where there is no memory for a table.
pub(crate) fn protect(range: Range<usize>, access: Access) -> bool {
    let done = paging::map(&mut Heap, ROOT.load(Ordering::Relaxed), range.clone(), access).is_ok();
    for page in (range.start - range.start % PAGE..range.end).step_by(PAGE) {
        // SAFETY: it makes the processor forget what it knew of a page.
        unsafe { core::arch::asm!("invlpg [{}]", in(reg) page, options(nostack, preserves_flags)) };
    }
    done
}
