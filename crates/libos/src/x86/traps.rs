//! Segments, the task segment's stacks, and the table of exceptions and interrupts (Intel SDM 3A 6 and 8). An exception is
//! told on the console, with the calls that led to it, and ends the machine.

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::fault::Fault;
use crate::kernel::{machine, say, threads};
use crate::machine::{MOST_DEVICES, Status};

global_asm!(include_str!("traps.s"), options(att_syntax));

/// The vector of the local APIC's timer, and the one that it uses for nothing.
pub(crate) const TIMER: u8 = 32;
pub(crate) const SPURIOUS: u8 = 255;

/// The vector of device 0; the others' follow.
pub(crate) const DEVICES: u8 = 64;

unsafe extern "C" {
    fn libos_exceptions();
    fn libos_timer();
    fn libos_devices();
    fn libos_spurious();
}

/// Whether the timer rang; set by its handler.
#[unsafe(export_name = "libos_rang")]
pub(super) static RANG: AtomicBool = AtomicBool::new(false);

/// The devices that interrupted, a bit each; set by their handlers.
#[unsafe(export_name = "libos_raised")]
pub(super) static RAISED: AtomicU64 = AtomicU64::new(0);

/// What the processor reads by itself.
#[repr(C, align(16))]
struct Tables {
    gates: [[u64; 2]; 256],
    segments: [u64; 5],
    task: [u32; 26],
    stacks: [[u8; 16 << 10]; 2],
}

struct Shared(UnsafeCell<Tables>);

// SAFETY: it is written once, by the boot, before the processor is told of it.
unsafe impl Sync for Shared {}

static TABLES: Shared = Shared(UnsafeCell::new(Tables {
    gates: [[0; 2]; 256],
    segments: [0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0, 0],
    task: [0; 26],
    stacks: [[0; 16 << 10]; 2],
}));

#[repr(C, packed)]
struct Pointer {
    limit: u16,
    base: u64,
}

/// Tells the processor where exceptions and interrupts go. Called once, by the boot.
pub(super) fn install() {
    let tables = TABLES.0.get();
    // SAFETY: the boot calls this once, and nobody else refers to the tables; the processor is told of them below.
    let (gates, segments, task) = unsafe {
        let tables = &mut *tables;
        for (index, stack) in tables.stacks.iter_mut().enumerate() {
            let top = stack.as_mut_ptr_range().end.expose_provenance();
            // IST1 is at byte 36 of the task segment.
            tables.task[9 + 2 * index] = top as u32;
            tables.task[10 + 2 * index] = (top >> 32) as u32;
        }
        tables.task[25] = 104 << 16;
        let at = (&raw const tables.task).expose_provenance() as u64;
        tables.segments[3] = 103 | (at & 0xff_ffff) << 16 | 0x89 << 40 | (at >> 24 & 0xff) << 56;
        tables.segments[4] = at >> 32;
        let first = libos_exceptions as *const () as usize;
        for vector in 0..32 {
            tables.gates[vector] = gate(first + vector * 16, 1);
        }
        for vector in 32..256 {
            tables.gates[vector] = gate(libos_spurious as *const () as usize, 2);
        }
        tables.gates[usize::from(TIMER)] = gate(libos_timer as *const () as usize, 2);
        let base = |at: usize| at as u64;
        let first = libos_devices as *const () as usize;
        for device in 0..MOST_DEVICES {
            tables.gates[usize::from(DEVICES) + device] = gate(first + device * 16, 2);
        }
        (
            Pointer { limit: 4095, base: base((&raw const tables.gates).expose_provenance()) },
            Pointer { limit: 39, base: base((&raw const tables.segments).expose_provenance()) },
            24u16,
        )
    };
    // SAFETY: the segments are those that are loaded already, and a task segment; the gates lead to handlers that
    // return as they should.
    unsafe {
        asm!("lgdt [{0}]", "ltr {1:x}", "lidt [{2}]", in(reg) &raw const segments, in(reg) task, in(reg) &raw const gates);
    }
}

/// An interrupt gate of the kernel's code segment, on one of the task segment's stacks.
fn gate(handler: usize, stack: u64) -> [u64; 2] {
    let at = handler as u64;
    [at & 0xffff | 8 << 16 | stack << 32 | 0x8e << 40 | (at >> 16 & 0xffff) << 48, at >> 32]
}

/// What the processor and the stubs push.
#[repr(C)]
struct Frame {
    vector: u64,
    error: u64,
    at: usize,
    code: u64,
    flags: u64,
    stack: usize,
    stack_segment: u64,
}

#[unsafe(no_mangle)]
extern "C" fn libos_exception(frame: &Frame, base: usize) -> ! {
    const NONE: u8 = u8::MAX;
    static BEFORE: AtomicU8 = AtomicU8::new(NONE);
    let vector = frame.vector as u8;
    // A fault while one is told, as where the calls that led to it cannot be followed: there is nothing left to trust.
    let before = BEFORE.load(Ordering::Relaxed);
    if before != NONE {
        machine().exit(Status::Fault(before));
    }
    BEFORE.store(vector, Ordering::Relaxed);
    let address: usize;
    // SAFETY: it reads a register.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    say(format_args!("libos: {}", Fault { vector, error: frame.error, at: frame.at, address }));
    if vector == 14
        && let Some((tid, guard)) = threads::running()
        && guard.contains(&address)
    {
        say(format_args!("libos: the stack of thread {tid} is full"));
    }
    super::backtrace::tell(frame.at, base);
    machine().exit(Status::Fault(vector))
}
