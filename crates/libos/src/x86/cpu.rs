//! The processor's instructions that Rust has no words for.

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count, _rdrand64_step, _rdtsc, _xsetbv, CpuidResult};

/// Model-specific registers.
pub(crate) mod msr {
    pub(crate) const APIC_BASE: u32 = 0x1b;
    pub(crate) const TSC_DEADLINE: u32 = 0x6e0;
    pub(crate) const FS_BASE: u32 = 0xc000_0100;
    /// `MSR_KVM_WALL_CLOCK_NEW` and `MSR_KVM_SYSTEM_TIME_NEW`.
    pub(crate) const KVM_WALL: u32 = 0x4b56_4d00;
    pub(crate) const KVM_TIME: u32 = 0x4b56_4d01;
}

/// Writes a model-specific register.
///
/// # Safety
/// The processor has the register, and its new value breaks nothing that Rust relies on.
pub(crate) unsafe fn write_msr(register: u32, value: u64) {
    let (low, high) = (value as u32, (value >> 32) as u32);
    // SAFETY: as the caller promises.
    unsafe { asm!("wrmsr", in("ecx") register, in("eax") low, in("edx") high, options(nostack, preserves_flags)) };
}

/// Reads a model-specific register.
///
/// # Safety
/// The processor has the register.
pub(crate) unsafe fn read_msr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: as the caller promises.
    unsafe { asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high, options(nostack, preserves_flags)) };
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a byte to a port.
///
/// # Safety
/// The device there does not write to memory that Rust uses.
pub(crate) unsafe fn write_port(port: u16, value: u8) {
    // SAFETY: as the caller promises.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nostack, preserves_flags)) };
}

/// Reads a byte from a port.
///
/// # Safety
/// As [`write_port`].
pub(crate) unsafe fn read_port(port: u16) -> u8 {
    let value;
    // SAFETY: as the caller promises.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nostack, preserves_flags)) };
    value
}

/// Writes four bytes to a port.
///
/// # Safety
/// As [`write_port`].
pub(crate) unsafe fn write_port32(port: u16, value: u32) {
    // SAFETY: as the caller promises.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags)) };
}

/// Reads four bytes from a port.
///
/// # Safety
/// As [`write_port`].
pub(crate) unsafe fn read_port32(port: u16) -> u32 {
    let value;
    // SAFETY: as the caller promises.
    unsafe { asm!("in eax, dx", in("dx") port, out("eax") value, options(nostack, preserves_flags)) };
    value
}

/// What the processor says of itself; zeros for a leaf that it does not have.
pub(crate) fn cpuid(leaf: u32, sub: u32) -> CpuidResult {
    let most = __cpuid(leaf & 0xf000_0000).eax;
    let known = most >= leaf && most & 0xf000_0000 == leaf & 0xf000_0000;
    if known { __cpuid_count(leaf, sub) } else { CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 } }
}

/// The first physical address that the processor does not have, or that page tables do not map to itself (Intel SDM 3A 4.1.4).
pub(crate) fn addresses_end() -> usize {
    let bits = cpuid(0x8000_0008, 0).eax & 0xff;
    1 << if bits == 0 { 36 } else { bits.min(46) }
}

/// The time-stamp counter.
pub(crate) fn ticks() -> u64 {
    // SAFETY: every 64-bit processor has it, and nothing forbids it to a kernel.
    unsafe { _rdtsc() }
}

/// A random word from the processor; `None` where it has no source, or the source fails ten times (Intel, "DRNG
/// Software Implementation Guide", 5.2.1).
pub(crate) fn random() -> Option<u64> {
    #[target_feature(enable = "rdrand")]
    fn step(word: &mut u64) -> bool {
        _rdrand64_step(word) == 1
    }
    if cpuid(1, 0).ecx & 1 << 30 == 0 {
        return None;
    }
    let mut word = 0;
    // SAFETY: the processor says that it has the instruction.
    (0..10).any(|_| unsafe { step(&mut word) }).then_some(word)
}

/// Turns on the registers of AVX and AVX-512, where there are such.
pub(crate) fn enable_vectors() {
    #[target_feature(enable = "xsave")]
    fn set(value: u64) {
        // SAFETY: the caller's value is one that the processor says it supports.
        unsafe { _xsetbv(0, value) };
    }
    let features = cpuid(1, 0).ecx;
    if features & 1 << 26 == 0 {
        return;
    }
    let supported = u64::from(cpuid(0xd, 0).eax);
    let wanted = if supported & 0xe6 == 0xe6 { 0xe7 } else { supported & 7 };
    // SAFETY: the processor has XSAVE; x87 and SSE state are always among what is wanted.
    unsafe {
        asm!("mov {0}, cr4", "or {0}, 0x40000", "mov cr4, {0}", out(reg) _, options(nostack));
        set(wanted | 3);
    }
}
