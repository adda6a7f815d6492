//! The heap: two-level segregated fit, so that taking and giving back take constant time, whatever is asked for and
//! however long the machine has run. It grows by nothing: the machine's memory is its bound.

use core::alloc::Layout;
use core::ptr::NonNull;

use rlsf::Tlsf;

/// All memory that is not the program's.
pub(crate) struct Heap {
    // 2^28 granules of 32 bytes: blocks of up to 8 GiB.
    tlsf: Tlsf<'static, u32, u32, 28, 32>,
    size: usize,
    taken: usize,
}

impl Heap {
    /// A heap of nothing.
    pub(crate) const fn new() -> Self {
        Self { tlsf: Tlsf::new(), size: 0, taken: 0 }
    }

    /// Adds memory.
    ///
    /// # Safety
    /// The memory is nobody else's, from now on, and can be read and written.
    pub(crate) unsafe fn add(&mut self, memory: NonNull<[u8]>) {
        // SAFETY: the caller's promise is the one that is asked for.
        self.size += unsafe { self.tlsf.insert_free_block_ptr(memory) }.map_or(0, usize::from);
    }

    /// How many bytes there are, taken or free.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// How many bytes are taken, as they were asked for: what lies between blocks is not counted.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// Takes memory; `None` where no free block is large enough.
    pub(crate) fn take(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let taken = self.tlsf.allocate(layout)?;
        self.taken += layout.size();
        Some(taken)
    }

    /// Gives back memory.
    ///
    /// # Safety
    /// `memory` was taken from this heap with this layout, and is not used any more.
    pub(crate) unsafe fn give(&mut self, memory: NonNull<u8>, layout: Layout) {
        self.taken -= layout.size();
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { self.tlsf.deallocate(memory, layout.align()) }
    }

    /// Makes a block of the layout `old` as large as `size` says, perhaps elsewhere; `None` leaves it as it was.
    ///
    /// # Safety
    /// `memory` was taken from this heap with `old`, and is used at the new place only.
    pub(crate) unsafe fn resize(&mut self, memory: NonNull<u8>, old: Layout, size: usize) -> Option<NonNull<u8>> {
        let new = Layout::from_size_align(size, old.align()).ok()?;
        // SAFETY: the caller's promise is the one that is asked for.
        let moved = unsafe { self.tlsf.reallocate(memory, new) }?;
        self.taken = self.taken - old.size() + size;
        Some(moved)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::boxed::Box;
    use std::vec;
    use std::vec::Vec;

    use super::*;

    fn heap(size: usize) -> Heap {
        let memory: &'static mut [u8] = Box::leak(vec![0u8; size].into_boxed_slice());
        let mut heap = Heap::new();
        // SAFETY: the memory was leaked for this heap.
        unsafe { heap.add(NonNull::from(memory)) };
        heap
    }

    #[test]
    fn blocks_keep_their_bytes_and_all_memory_comes_back() {
        let mut heap = heap(1 << 20);
        let most = Layout::from_size_align(900 << 10, 16).unwrap();
        let mut seed = 1u32;
        for _ in 0..3 {
            let mut held: Vec<(NonNull<u8>, Layout, u8)> = Vec::new();
            for round in 0..4000u32 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let size = (seed >> 12) as usize % 5000;
                let layout = Layout::from_size_align(size, 1 << (seed >> 29)).unwrap();
                let mark = round as u8;
                match (seed >> 8) % 3 {
                    0 if !held.is_empty() => {
                        let (at, layout, mark) = held.swap_remove(seed as usize % held.len());
                        // SAFETY: the block is held, and so initialised, and given back once.
                        unsafe {
                            let bytes = core::slice::from_raw_parts(at.as_ptr(), layout.size());
                            assert!(bytes.iter().all(|byte| *byte == mark));
                            heap.give(at, layout);
                        }
                    }
                    1 if !held.is_empty() => {
                        let index = seed as usize % held.len();
                        let (at, old, mark) = held[index];
                        let new = Layout::from_size_align(size, old.align()).unwrap();
                        // SAFETY: the block is held, and the old place is forgotten.
                        if let Some(at) = unsafe { heap.resize(at, old, size) } {
                            // SAFETY: the block has the new size, and the first bytes of the old.
                            unsafe {
                                let kept = core::slice::from_raw_parts(at.as_ptr(), old.size().min(size));
                                assert!(kept.iter().all(|byte| *byte == mark));
                                at.as_ptr().write_bytes(mark, size);
                            }
                            held[index] = (at, new, mark);
                        }
                    }
                    _ => {
                        if let Some(at) = heap.take(layout) {
                            assert!(at.as_ptr().addr().is_multiple_of(layout.align()));
                            // SAFETY: the block has this many bytes.
                            unsafe { at.as_ptr().write_bytes(mark, size) };
                            held.push((at, layout, mark));
                        }
                    }
                }
            }
            assert_eq!(heap.taken(), held.iter().map(|(_, layout, _)| layout.size()).sum::<usize>());
            for (at, layout, _) in held {
                // SAFETY: each is given back once.
                unsafe { heap.give(at, layout) };
            }
            assert_eq!(heap.taken(), 0);
            let whole = heap.take(most).expect("no free block was lost to fragments");
            // SAFETY: it was taken just now.
            unsafe { heap.give(whole, most) };
        }
    }

    #[test]
    fn more_than_there_is_is_refused() {
        let mut heap = heap(64 << 10);
        assert!(heap.size() <= 64 << 10 && heap.size() > 60 << 10);
        assert!(heap.take(Layout::from_size_align(65 << 10, 8).unwrap()).is_none());
        assert!(heap.take(Layout::from_size_align(1 << 40, 8).unwrap()).is_none());
        assert_eq!(heap.taken(), 0, "what is refused is not counted");
        assert!(heap.take(Layout::from_size_align(60 << 10, 8).unwrap()).is_some());
    }
}
