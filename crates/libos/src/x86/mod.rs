//! The PC as a [`Machine`]: what boots by PVH and has a serial port, a local APIC and a time-stamp counter.

mod backtrace;
mod boot;
mod cpu;
pub(crate) mod switch;
mod tables;
mod time;
mod traps;

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::kernel::single::Single;
use crate::machine::{Machine, Nanos, Status};

pub(crate) use tables::protect;

/// The machine.
pub(crate) struct Pc;

/// The only one.
pub(crate) static PC: Pc = Pc;

static CLOCKS: Single<Option<time::Clocks>> = Single::new(None);

/// The first byte behind all RAM.
static RAM_END: AtomicUsize = AtomicUsize::new(0);

fn ram_end() -> usize {
    RAM_END.load(Ordering::Relaxed)
}

fn clocks() -> Option<time::Clocks> {
    CLOCKS.with(|clocks| *clocks)
}

/// Makes `pointer` the running thread's.
pub(crate) fn set_thread_pointer(pointer: usize) {
    // SAFETY: only thread-local storage is found by this register, and the caller's is the next thread's.
    unsafe { cpu::write_msr(cpu::msr::FS_BASE, pointer as u64) };
}

/// Tells the calls that led here.
pub(crate) fn backtrace_here() {
    backtrace::tell(0, switch::frame());
}

impl Machine for Pc {
    fn console(&self, text: &[u8]) {
        for byte in text {
            // SAFETY: the ports of the first serial line; where there is none, nobody listens.
            unsafe {
                // A line that never becomes free is not waited for for long.
                for _ in 0..100_000 {
                    if cpu::read_port(0x3fd) & 0x20 != 0 {
                        break;
                    }
                }
                if *byte == b'\n' {
                    cpu::write_port(0x3f8, b'\r');
                }
                cpu::write_port(0x3f8, *byte);
            }
        }
    }

    fn monotonic(&self) -> Nanos {
        clocks().map_or(0, |clocks| clocks.now())
    }

    fn wall(&self) -> Nanos {
        clocks().map_or(0, |clocks| clocks.wall())
    }

    fn wait(&self, deadline: Option<Nanos>) {
        if let Some(clocks) = clocks() {
            clocks.wait(deadline);
        }
    }

    fn entropy(&self, out: &mut [u8]) -> bool {
        let mut last = None;
        for part in out.chunks_mut(8) {
            let word = cpu::random();
            // Some processors' sources failed by giving the same word again and again.
            let (Some(fresh), true) = (word, word != last) else { return false };
            part.copy_from_slice(&fresh.to_le_bytes()[..part.len()]);
            last = word;
        }
        true
    }

    fn exit(&self, status: Status) -> ! {
        // SAFETY: the machine ends here: by its debug port, or else by a reset through the keyboard controller, the chip
        // set, or an exception that cannot be handled.
        unsafe {
            cpu::write_port(0xf4, status.code());
            cpu::write_port(0x64, 0xfe);
            cpu::write_port(0xcf9, 6);
            let none = [0u16; 5];
            core::arch::asm!("lidt [{}]", "ud2", in(reg) &raw const none, options(noreturn));
        }
    }
}
