//! The switch from one thread to another: a call that returns on another stack. Only what a call preserves is kept
//! (System V psABI for x86-64, 3.2.1): six registers and the control words of SSE and x87.

use core::arch::{asm, naked_asm};
use core::ptr::NonNull;

use crate::kernel::threads;

/// The control words that a thread begins with (psABI 3.4.1): all exceptions masked, round to nearest.
const CONTROL: usize = 0x037f << 32 | 0x1f80;

/// Saves the running thread, its stack pointer at `from`, and goes on with the one that was saved as `to`.
///
/// # Safety
/// `to` was saved by this function, or made by [`prepare`], and is gone on with once; its stack is kept until then.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn switch(from: *mut usize, to: usize) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "ldmxcsr [rsp]",
        "fldcw [rsp + 4]",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Prepares a stack so that [`switch`] begins `main` on it; gives what to switch to.
///
/// # Safety
/// `top` is the end of a stack of at least 128 bytes, which nobody else uses, and a multiple of 16.
pub(crate) unsafe fn prepare(top: NonNull<u8>, main: extern "C" fn(usize), argument: usize) -> usize {
    // As `switch` takes them: control words, r15, r14, r13, r12, rbx, rbp, where to return to.
    let frame = [CONTROL, 0, 0, argument, main as usize, 0, 0, enter as *const () as usize];
    // SAFETY: the caller's stack is large enough.
    unsafe {
        let place = top.cast::<[usize; 8]>().sub(1);
        place.write(frame);
        place.as_ptr().expose_provenance()
    }
}

#[unsafe(naked)]
unsafe extern "C" fn enter() {
    naked_asm!("mov rdi, r12", "mov rsi, r13", "call {begin}", "ud2", begin = sym threads::begin)
}

/// The running function's frame pointer.
#[inline(always)]
pub(crate) fn frame() -> usize {
    let frame;
    // SAFETY: it reads a register.
    unsafe { asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags)) };
    frame
}
