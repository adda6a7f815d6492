//! The calls that led to a place, from the chain of frame pointers (programs are built with them).

use crate::kernel::{machine, say};
use crate::memory::LOW;

/// Most calls that are told.
const MOST: usize = 32;

/// Tells the place `at`, and the callers that the frame at `base` leads to.
pub(super) fn tell(at: usize, base: usize) {
    if at != 0 {
        say(format_args!("  {at:#x}"));
    }
    let mut base = base;
    let end = super::ram_end();
    for _ in 0..MOST {
        // Frames lie in memory, in order; anything else is the end of the chain, or of what can be trusted.
        if base < LOW || base >= end || !base.is_multiple_of(8) {
            return;
        }
        let frame = core::ptr::with_exposed_provenance::<[usize; 2]>(base);
        // SAFETY: the address is RAM's. Should it be a guard page, the fault ends the machine as it would have ended.
        let [next, caller] = unsafe { frame.read() };
        if caller == 0 {
            return;
        }
        say(format_args!("  {caller:#x}"));
        if next <= base {
            return;
        }
        base = next;
    }
    machine().console(b"  ...\n");
}
