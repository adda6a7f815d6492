//! The PC as a [`Machine`]: what boots by PVH and has a serial port, a local APIC and a time-stamp counter.

mod backtrace;
mod boot;
mod console;
mod cpu;
mod devices;
pub(crate) mod switch;
mod tables;
mod time;
mod traps;

use core::sync::atomic::{AtomicUsize, Ordering};

use device::manifest::Name;

use crate::entropy::Pool;
use crate::kernel::single::Single;
use crate::machine::{Device, Machine, Nanos, Status};
use crate::wall::Wall;

pub(crate) use tables::protect;

/// The machine.
pub(crate) struct Pc;

/// The only one.
pub(crate) static PC: Pc = Pc;

static CLOCKS: Single<Option<time::Clocks>> = Single::new(None);

static WALL: Single<Option<Wall>> = Single::new(None);

/// The first byte behind all RAM.
static RAM_END: AtomicUsize = AtomicUsize::new(0);

fn ram_end() -> usize {
    RAM_END.load(Ordering::Relaxed)
}

static POOL: Single<Pool> = Single::new(Pool::new());

/// 256 bits from the processor; `None` where it has no source, or the source fails.
fn processor_entropy() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut last = None;
    for part in bytes.chunks_mut(8) {
        let word = cpu::random()?;
        // Some processors' sources failed by giving the same word again and again.
        if last.replace(word) == Some(word) {
            return None;
        }
        part.copy_from_slice(&word.to_le_bytes());
    }
    Some(bytes)
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
        console::tell(text);
    }

    fn print(&self, text: &[u8], lose: bool) -> Result<usize, u8> {
        console::print(text, lose)
    }

    fn listen(&self) -> Option<u8> {
        let number = devices::serial_line()?;
        console::listen().then_some(number)
    }

    fn typed(&self) -> Option<u8> {
        console::typed()
    }

    fn monotonic(&self) -> Nanos {
        clocks().map_or(0, |clocks| clocks.now())
    }

    fn wall(&self) -> Nanos {
        let now = self.monotonic();
        WALL.with(|wall| wall.as_mut().map_or(0, |wall| wall.at(now, time::date)))
    }

    fn wait(&self, deadline: Option<Nanos>) {
        if let Some(clocks) = clocks() {
            clocks.wait(deadline);
        }
    }

    fn attention(&self) -> u64 {
        time::attention()
    }

    fn device(&self, name: Name) -> Option<Device> {
        devices::take(name)
    }

    /// From the pool, into which the processor's source goes at each call; the device's at the first, and at each
    /// where the processor has none.
    fn entropy(&self, out: &mut [u8]) -> bool {
        let processor = processor_entropy();
        let first = !POOL.with(|pool| pool.seeded());
        let device = if first || processor.is_none() { devices::entropy() } else { None };
        POOL.with(|pool| {
            processor.iter().for_each(|bytes| pool.mix(bytes));
            device.iter().for_each(|bytes| pool.mix(bytes));
            let good = processor.is_some() || device.is_some();
            if good {
                pool.fill(out);
            }
            good
        })
    }

    fn exit(&self, status: Status) -> ! {
        console::drain();
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
