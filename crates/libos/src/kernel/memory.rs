//! The heap that `std` allocates from, and stacks that end at a page which may not be touched.

use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;

use super::single::Single;
use crate::heap::Heap;
use crate::memory::PAGE;
use crate::paging::Access;
use crate::x86;

static HEAP: Single<Heap> = Single::new(Heap::new());

/// Adds memory to the heap.
///
/// # Safety
/// The range is nobody else's, from now on, and is mapped to be read and written.
pub(crate) unsafe fn add(range: &Range<usize>) {
    let start = core::ptr::with_exposed_provenance_mut::<u8>(range.start);
    if let Some(memory) = NonNull::new(core::ptr::slice_from_raw_parts_mut(start, range.len())) {
        // SAFETY: the caller's promise is the one that is asked for.
        HEAP.with(|heap| unsafe { heap.add(memory) });
    }
}

/// How large the heap is, in bytes.
pub(crate) fn size() -> usize {
    HEAP.with(|heap| heap.size())
}

/// How many bytes of it are taken.
pub(crate) fn taken() -> usize {
    HEAP.with(|heap| heap.taken())
}

/// Takes memory.
pub(crate) fn take(layout: Layout) -> Option<NonNull<u8>> {
    HEAP.with(|heap| heap.take(layout))
}

/// Gives back memory.
///
/// # Safety
/// As [`Heap::give`].
pub(crate) unsafe fn give(memory: NonNull<u8>, layout: Layout) {
    // SAFETY: the caller's promise is the one that is asked for.
    HEAP.with(|heap| unsafe { heap.give(memory, layout) });
}

/// Resizes memory.
///
/// # Safety
/// As [`Heap::resize`].
pub(crate) unsafe fn resize(memory: NonNull<u8>, old: Layout, size: usize) -> Option<NonNull<u8>> {
    // SAFETY: the caller's promise is the one that is asked for.
    HEAP.with(|heap| unsafe { heap.resize(memory, old, size) })
}

/// A block of the heap that is given back when it is dropped.
pub(crate) struct Block {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the block is this value's alone.
unsafe impl Send for Block {}

impl Block {
    /// Takes a block of zeros.
    pub(crate) fn zeroed(layout: Layout) -> Option<Self> {
        let start = take(layout)?;
        // SAFETY: the block has this many bytes, and nobody else sees them.
        unsafe { start.as_ptr().write_bytes(0, layout.size()) };
        Some(Self { start, layout })
    }

    /// Its first byte.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the block was taken with this layout, and ends here.
        unsafe { give(self.start, self.layout) };
    }
}

/// A thread's stack: its lowest page is the guard.
pub(crate) struct Stack {
    memory: Block,
}

impl Stack {
    /// A stack of at least `size` bytes; `None` where memory is out.
    pub(crate) fn new(size: usize) -> Option<Self> {
        let size = size.checked_next_multiple_of(PAGE)?.checked_add(PAGE)?;
        let memory = Block {
            start: take(Layout::from_size_align(size, PAGE).ok()?)?,
            layout: Layout::from_size_align(size, PAGE).ok()?,
        };
        let stack = Self { memory };
        x86::protect(stack.guard(), Access::None).then_some(stack)
    }

    /// The page that may not be touched.
    pub(crate) fn guard(&self) -> Range<usize> {
        let start = self.memory.start.as_ptr().expose_provenance();
        start..start + PAGE
    }

    /// Its end, where the first word is pushed.
    pub(crate) fn top(&self) -> NonNull<u8> {
        // SAFETY: the end of the block.
        unsafe { self.memory.start.add(self.memory.layout.size()) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // The page's table is there already: nothing can fail.
        x86::protect(self.guard(), Access::Write);
    }
}
