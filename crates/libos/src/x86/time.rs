//! The PC's clocks and its alarm: the time-stamp counter, as a hypervisor or the PIT tells its rate, KVM or the CMOS for the date,
//! and the local APIC's timer.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::sync::atomic::Ordering;

use super::cpu::{self, msr};
use super::traps::{RAISED, RANG, SPURIOUS, TIMER};
use crate::clock::{self, Ticks};
use crate::machine::Nanos;
use crate::sources::{self, Sources};
use crate::wall::{Reading, Wall};

const APIC: usize = 0xfee0_0000;
const APIC_NUMBER: usize = 0x20;
const APIC_SPURIOUS: usize = 0xf0;
const APIC_TIMER: usize = 0x320;
const APIC_LINE_1: usize = 0x360;
const APIC_COUNT: usize = 0x380;
const APIC_NOW: usize = 0x390;
const APIC_DIVIDE: usize = 0x3e0;

/// How far the PIT counts to measure another clock: about 2.5 ms.
const SPAN: u16 = 2_983;

/// The clocks, once their rates are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    ticks: Ticks,
    /// The timer's rate; `None` where it compares with the time-stamp counter itself.
    alarm: Option<Ticks>,
}

impl Clocks {
    /// Learns the rates and the date.
    ///
    /// # Errors
    /// What is not told by anything.
    pub(super) fn measure() -> Result<(Self, Wall), &'static str> {
        mask_pic();
        let hz = sources::rate(&Hardware);
        let start = cpu::ticks();
        let ticks = hz.and_then(|hz| Ticks::new(start, hz));
        let ticks = ticks.ok_or("the rate of the time-stamp counter: no kvm-clock, CPUID rate or PIT")?;
        let date = date().ok_or("the date: no kvm-clock, and no CMOS clock with one")?;
        let wall = Wall::new(date, ticks.at(cpu::ticks()));
        // SAFETY: the boot has mapped the registers; the timer's vector has a handler.
        unsafe {
            cpu::write_msr(msr::APIC_BASE, cpu::read_msr(msr::APIC_BASE) | 1 << 11);
            write(APIC_SPURIOUS, 0x100 | u32::from(SPURIOUS));
            // The second line is that of the non-maskable interrupt, as on a PC: by it a monitor has a machine say where it is.
            write(APIC_LINE_1, 0b100 << 8);
            write(APIC_DIVIDE, 0b1011);
        }
        let alarm = if cpu::cpuid(1, 0).ecx & 1 << 24 != 0 {
            // SAFETY: as above; the processor says that the timer has this mode.
            unsafe { write(APIC_TIMER, 0b10 << 17 | u32::from(TIMER)) };
            None
        } else {
            let alarm = alarm_rate(ticks).and_then(|hz| Ticks::new(0, hz));
            Some(alarm.ok_or("the rate of the local APIC's timer")?)
        };
        Ok((Self { ticks, alarm }, wall))
    }

    /// Time since they were measured.
    pub(super) fn now(&self) -> Nanos {
        self.ticks.at(cpu::ticks())
    }

    /// Sleeps until an interrupt, or the deadline.
    pub(super) fn wait(&self, deadline: Option<Nanos>) {
        let now = self.now();
        let span = match deadline {
            Some(deadline) if deadline <= now => return,
            Some(deadline) => Some(deadline - now),
            None => None,
        };
        // SAFETY: the boot has mapped the registers. Interrupts are let in between `sti` and `cli` only, where the first
        // instruction that they can hit is `hlt`; handlers keep every register.
        unsafe {
            match (self.alarm, span) {
                (Some(alarm), Some(span)) => {
                    write(APIC_TIMER, u32::from(TIMER));
                    write(APIC_COUNT, u32::try_from(alarm.per(span)).unwrap_or(u32::MAX).max(1));
                }
                (None, Some(span)) => {
                    cpu::write_msr(msr::TSC_DEADLINE, cpu::ticks().saturating_add(self.ticks.per(span)).max(1));
                }
                (_, None) => {}
            }
            if !RANG.load(Ordering::Relaxed) && RAISED.load(Ordering::Relaxed) == 0 {
                asm!("sti", "hlt", "cli", options(nostack));
            }
            RANG.store(false, Ordering::Relaxed);
            match self.alarm {
                Some(_) => write(APIC_COUNT, 0),
                None => cpu::write_msr(msr::TSC_DEADLINE, 0),
            }
        }
    }
}

/// Lets in the interrupts that are due, and gives the devices that interrupted since the last call.
pub(super) fn attention() -> u64 {
    // SAFETY: as in `Clocks::wait`; the instruction after `sti` is still shielded, so that they come between `nop` and `cli`.
    unsafe { asm!("sti", "nop", "cli", options(nostack)) };
    RAISED.swap(0, Ordering::Relaxed)
}

/// The number of the processor's local APIC, to which interrupts are sent.
pub(super) fn apic_number() -> u32 {
    // SAFETY: the boot has mapped the registers.
    unsafe { core::ptr::with_exposed_provenance::<u32>(APIC + APIC_NUMBER).read_volatile() >> 24 }
}

/// # Safety
/// The registers are mapped, and the value is one that the register takes.
unsafe fn write(register: usize, value: u32) {
    // SAFETY: as the caller promises.
    unsafe { core::ptr::with_exposed_provenance_mut::<u32>(APIC + register).write_volatile(value) };
}

/// The old interrupt controllers stay silent.
fn mask_pic() {
    // SAFETY: where there is no such controller, nobody listens.
    unsafe {
        cpu::write_port(0x21, 0xff);
        cpu::write_port(0xa1, 0xff);
    }
}

/// What KVM writes its clock to; it does not cross a page.
#[repr(C, align(64))]
struct KvmWords {
    system: UnsafeCell<[u32; 8]>,
    boot: UnsafeCell<[u32; 3]>,
}

// SAFETY: it is read and written within single calls only, that no thread is switched in.
unsafe impl Sync for KvmWords {}

static KVM_WORDS: KvmWords = KvmWords { system: UnsafeCell::new([0; 8]), boot: UnsafeCell::new([0; 3]) };

/// The hardware.
struct Hardware;

impl Sources for Hardware {
    fn cpuid(&self, leaf: u32) -> [u32; 4] {
        let words = cpu::cpuid(leaf, 0);
        [words.eax, words.ebx, words.ecx, words.edx]
    }

    fn kvm_system(&self) -> ([u32; 8], u64) {
        let at = KVM_WORDS.system.get();
        // SAFETY: the hypervisor says that it has the register, and fills the 32 bytes before the write is done; it is told to
        // write no more before anyone else could look.
        unsafe {
            cpu::write_msr(msr::KVM_TIME, at.expose_provenance() as u64 | 1);
            let told = (at.read_volatile(), cpu::ticks());
            cpu::write_msr(msr::KVM_TIME, 0);
            told
        }
    }

    fn kvm_boot(&self) -> [u32; 3] {
        let at = KVM_WORDS.boot.get();
        // SAFETY: as above, of 12 bytes, which are written once.
        unsafe {
            cpu::write_msr(msr::KVM_WALL, at.expose_provenance() as u64);
            at.read_volatile()
        }
    }

    fn cmos(&self, register: u8) -> u8 {
        // SAFETY: the ports of the CMOS; bit 7 keeps non-maskable interrupts as they are after a reset.
        unsafe {
            cpu::write_port(0x70, register);
            cpu::read_port(0x71)
        }
    }

    fn pit_rate(&self) -> Option<u64> {
        pit_rate()
    }
}

/// The date, by the best that there is.
pub(super) fn date() -> Option<Reading> {
    sources::date(&Hardware)
}

fn pit_rate() -> Option<u64> {
    // SAFETY: channel 0 counts down from 65536, again and again; its interrupt is masked.
    unsafe {
        cpu::write_port(0x43, 0x34);
        cpu::write_port(0x40, 0);
        cpu::write_port(0x40, 0);
    }
    // SAFETY: it latches channel 0's count and reads it.
    let count = || unsafe {
        cpu::write_port(0x43, 0);
        let latched = cpu::ticks();
        let low = cpu::read_port(0x40);
        (latched, u16::from_le_bytes([low, cpu::read_port(0x40)]))
    };
    clock::agreed(|| {
        let (from, began) = closest(count);
        // A counter that stands still is none.
        let passed = (0..1_000_000).any(|_| from.wrapping_sub(count().1) >= SPAN);
        let (to, ended) = closest(count);
        if passed { clock::pit_rate(ended.wrapping_sub(began), from, to) } else { None }
    })
}

/// What a counter says, and the time-stamp counter at the same moment: the closest of several readings, since the machine may be made
/// to wait within one. `read` tells the time-stamp counter once the counter's value is taken.
fn closest<T: Default>(read: impl Fn() -> (u64, T)) -> (T, u64) {
    let mut best = (T::default(), 0, u64::MAX);
    for _ in 0..4 {
        let before = cpu::ticks();
        let (after, count) = read();
        if after - before < best.2 {
            best = (count, before + (after - before) / 2, after - before);
        }
    }
    (best.0, best.1)
}

/// The rate of the local APIC's timer, against the time-stamp counter over a millisecond; `None` where it stands still.
fn alarm_rate(ticks: Ticks) -> Option<u64> {
    let count = || {
        // SAFETY: the registers are mapped.
        let count = unsafe { core::ptr::with_exposed_provenance::<u32>(APIC + APIC_NOW).read_volatile() };
        (cpu::ticks(), count)
    };
    let rate = clock::agreed(|| {
        // SAFETY: the registers are mapped; the timer is masked while it is measured, and counts down once.
        unsafe {
            write(APIC_TIMER, 1 << 16 | u32::from(TIMER));
            write(APIC_COUNT, u32::MAX);
        }
        let (from, began) = closest(count);
        while cpu::ticks() - began < ticks.per(1_000_000) {
            core::hint::spin_loop();
        }
        let (to, ended) = closest(count);
        // One that has run out, which takes seconds, is no rate that another measure agrees on.
        Some(
            clock::rate(from.saturating_sub(to).into(), ended.wrapping_sub(began), ticks.per(1_000_000_000))
                .unwrap_or(0),
        )
    });
    // SAFETY: as above.
    unsafe { write(APIC_COUNT, 0) };
    rate
}
