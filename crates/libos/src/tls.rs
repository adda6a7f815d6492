//! Where a thread's local storage lies: variant II of the ELF TLS ABI (x86-64 psABI 3.4.6), initial-exec. The thread
//! pointer is the first byte behind the block, and the word that it points to holds its own address.

use core::alloc::{Layout, LayoutError};

/// The program's TLS segment, as its program header gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    /// Where the initial bytes are.
    pub(crate) start: usize,
    /// How many there are.
    pub(crate) filled: usize,
    /// The size of a block; what is not filled is zero.
    pub(crate) size: usize,
    /// The alignment that the linker assumed; 0 counts as 1.
    pub(crate) align: usize,
}

impl Template {
    /// The memory that one thread takes, and the offset of its thread pointer in it.
    ///
    /// # Errors
    /// A size or an alignment that no memory has.
    pub(crate) fn layout(&self) -> Result<(Layout, usize), LayoutError> {
        let align = self.align.max(1);
        let block = Layout::from_size_align(self.size, align)?.pad_to_align();
        let (whole, pointer) = block.extend(Layout::new::<[usize; 2]>())?;
        // The linker counts back from the pointer in its own alignment: the pointer must not be moved by the word's.
        debug_assert_eq!(pointer % align, 0);
        if pointer == block.size() { Ok((whole, pointer)) } else { Self { align: 16, ..*self }.layout() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(size: usize, align: usize) -> (usize, usize, usize) {
        let (layout, pointer) = Template { start: 0, filled: 0, size, align }.layout().unwrap();
        (layout.size(), layout.align(), pointer)
    }

    #[test]
    fn the_pointer_follows_the_block_in_the_segments_alignment() {
        assert_eq!(of(0, 0), (16, 8, 0));
        assert_eq!(of(8, 8), (24, 8, 8));
        assert_eq!(of(0x28, 0x20), (0x50, 0x20, 0x40));
        assert_eq!(of(0x1001, 0x1000), (0x2010, 0x1000, 0x2000));
        assert_eq!(of(3, 1).2 % 8, 0, "the word at the pointer is aligned");
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Template { align: 3, ..Template::default() }.layout().is_err());
        assert!(Template { size: usize::MAX, align: 8, ..Template::default() }.layout().is_err());
    }
}
