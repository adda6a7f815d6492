//! A device's registers: little-endian, of one, two or four bytes, at offsets from a start.

/// Registers of a device.
pub(crate) trait Registers: Send {
    /// Reads a byte.
    fn read8(&self, offset: usize) -> u8;
    /// Reads two bytes.
    fn read16(&self, offset: usize) -> u16;
    /// Reads four bytes.
    fn read32(&self, offset: usize) -> u32;
    /// Writes a byte.
    fn write8(&self, offset: usize, value: u8);
    /// Writes two bytes.
    fn write16(&self, offset: usize, value: u16);
    /// Writes four bytes.
    fn write32(&self, offset: usize, value: u32);
}

/// Registers in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    start: usize,
    size: usize,
}

impl Window {
    /// The registers from `start` on.
    ///
    /// # Safety
    /// They are a device's, `size` bytes of them from a multiple of four on, and mapped as such for as long as the window is used.
    pub(crate) unsafe fn new(start: usize, size: usize) -> Self {
        Self { start, size }
    }

    fn at<T>(&self, offset: usize) -> *mut T {
        let whole = offset.is_multiple_of(size_of::<T>()) && self.size.checked_sub(size_of::<T>()) >= Some(offset);
        assert!(whole, "a register at {offset:#x} of a window of {:#x} bytes", self.size);
        core::ptr::with_exposed_provenance_mut(self.start + offset)
    }
}

impl Registers for Window {
    fn read8(&self, offset: usize) -> u8 {
        // SAFETY: the register lies within the window, which is a device's.
        unsafe { self.at::<u8>(offset).read_volatile() }
    }
    fn read16(&self, offset: usize) -> u16 {
        // SAFETY: as above.
        unsafe { self.at::<u16>(offset).read_volatile() }
    }
    fn read32(&self, offset: usize) -> u32 {
        // SAFETY: as above.
        unsafe { self.at::<u32>(offset).read_volatile() }
    }
    fn write8(&self, offset: usize, value: u8) {
        // SAFETY: as above; a driver writes what the register takes.
        unsafe { self.at::<u8>(offset).write_volatile(value) };
    }
    fn write16(&self, offset: usize, value: u16) {
        // SAFETY: as above.
        unsafe { self.at::<u16>(offset).write_volatile(value) };
    }
    fn write32(&self, offset: usize, value: u32) {
        // SAFETY: as above.
        unsafe { self.at::<u32>(offset).write_volatile(value) };
    }
}
