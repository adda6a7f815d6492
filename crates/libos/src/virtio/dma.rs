//! Memory that a device shares. The other side may change it at any time, so it is only ever copied, never borrowed.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::alloc::Layout;
use core::ptr::NonNull;

use crate::memory::PAGE;

/// Whole pages that begin as zeros.
#[derive(Debug)]
pub(crate) struct Dma {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the memory is this value's, and the device's, which asks no threads.
unsafe impl Send for Dma {}

impl Dma {
    /// Takes at least `size` bytes; `None` where memory is out.
    pub(crate) fn new(size: usize) -> Option<Self> {
        let layout = Layout::from_size_align(size.max(1).checked_next_multiple_of(PAGE)?, PAGE).ok()?;
        // SAFETY: the size is not zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self { start, layout })
    }

    /// What the device calls its first byte: addresses map to themselves.
    pub(crate) fn address(&self) -> u64 {
        self.start.as_ptr().expose_provenance() as u64
    }

    /// Reads two bytes.
    pub(crate) fn read16(&self, at: usize) -> u16 {
        // SAFETY: the place is within the memory, and aligned.
        u16::from_le(unsafe { self.at::<u16>(at).read_volatile() })
    }

    /// Reads four bytes.
    pub(crate) fn read32(&self, at: usize) -> u32 {
        // SAFETY: as above.
        u32::from_le(unsafe { self.at::<u32>(at).read_volatile() })
    }

    /// Writes two bytes.
    pub(crate) fn write16(&self, at: usize, value: u16) {
        // SAFETY: as above.
        unsafe { self.at::<u16>(at).write_volatile(value.to_le()) };
    }

    /// Writes four bytes.
    pub(crate) fn write32(&self, at: usize, value: u32) {
        // SAFETY: as above.
        unsafe { self.at::<u32>(at).write_volatile(value.to_le()) };
    }

    /// Writes eight bytes.
    pub(crate) fn write64(&self, at: usize, value: u64) {
        // SAFETY: as above.
        unsafe { self.at::<u64>(at).write_volatile(value.to_le()) };
    }

    /// Copies bytes out.
    pub(crate) fn load(&self, at: usize, out: &mut [u8]) {
        self.check(at, out.len());
        // SAFETY: the bytes are within the memory, and `out` is not.
        unsafe { self.start.as_ptr().add(at).copy_to_nonoverlapping(out.as_mut_ptr(), out.len()) };
    }

    /// Copies bytes in.
    pub(crate) fn store(&self, at: usize, data: &[u8]) {
        self.check(at, data.len());
        // SAFETY: as above.
        unsafe { self.start.as_ptr().add(at).copy_from_nonoverlapping(data.as_ptr(), data.len()) };
    }

    fn at<T>(&self, at: usize) -> *mut T {
        self.check(at, size_of::<T>());
        assert!(at.is_multiple_of(align_of::<T>()), "a word at {at:#x}");
        // SAFETY: it lies within the block.
        unsafe { self.start.as_ptr().add(at).cast() }
    }

    /// Places are a driver's own; none is a device's to choose.
    fn check(&self, at: usize, size: usize) {
        assert!(at.checked_add(size) <= Some(self.layout.size()) && at < usize::MAX / 2, "{size} bytes at {at:#x}");
    }
}

impl Drop for Dma {
    fn drop(&mut self) {
        // SAFETY: it was taken with this layout; a queue is dropped once its device was reset.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}
