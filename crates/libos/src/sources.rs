//! What tells a PC the date, and the rate of its time-stamp counter, and which of these is believed: KVM first, then what the processor
//! says of itself, then old chips that are there on most machines.

use crate::clock;
use crate::wall::Reading;

/// What of it a machine has; each answers as the hardware does that is not there.
pub(crate) trait Sources {
    /// The processor's words, `eax` to `edx`; zeros for a leaf that it does not have.
    fn cpuid(&self, leaf: u32) -> [u32; 4];
    /// What KVM writes for `MSR_KVM_SYSTEM_TIME_NEW`, and the time-stamp counter after that. Asked only where there is such a register.
    fn kvm_system(&self) -> ([u32; 8], u64);
    /// The same for `MSR_KVM_WALL_CLOCK_NEW`.
    fn kvm_boot(&self) -> [u32; 3];
    /// A register of the CMOS; all ones where there is none.
    fn cmos(&self, register: u8) -> u8;
    /// The counter's rate in Hz by the PIT; `None` where that stands still.
    fn pit_rate(&self) -> Option<u64>;
}

/// The rate of the time-stamp counter in Hz, by the best that there is.
pub(crate) fn rate(sources: &impl Sources) -> Option<u64> {
    kvm_rate(sources).or_else(|| cpuid_rate(sources)).or_else(|| sources.pit_rate())
}

/// The date, by the best that there is.
pub(crate) fn date(sources: &impl Sources) -> Option<Reading> {
    kvm_date(sources).or_else(|| cmos(sources).map(Reading::of_seconds))
}

/// Whether the processor says that there is a hypervisor.
fn is_guest(sources: &impl Sources) -> bool {
    let [_, _, ecx, _] = sources.cpuid(1);
    ecx & 1 << 31 != 0
}

/// Whether the hypervisor is KVM, with the registers of its clock (`KVM_FEATURE_CLOCKSOURCE2`).
fn has_kvm_clock(sources: &impl Sources) -> bool {
    if !is_guest(sources) {
        return false;
    }
    let [_, name @ ..] = sources.cpuid(0x4000_0000);
    let [features, ..] = sources.cpuid(0x4000_0001);
    name == [*b"KVMK", *b"VMKV", *b"M\0\0\0"].map(u32::from_le_bytes) && features & 1 << 3 != 0
}

fn kvm_rate(sources: &impl Sources) -> Option<u64> {
    let (words, _) = has_kvm_clock(sources).then(|| sources.kvm_system())?;
    clock::kvm_rate(words[6], words[7] as i8)
}

fn kvm_date(sources: &impl Sources) -> Option<Reading> {
    let (system, ticks) = has_kvm_clock(sources).then(|| sources.kvm_system())?;
    Reading::of_kvm(sources.kvm_boot(), system, ticks)
}

fn cpuid_rate(sources: &impl Sources) -> Option<u64> {
    let [denominator, numerator, crystal, _] = sources.cpuid(0x15);
    let told = clock::crystal_rate(denominator, numerator, crystal);
    told.or_else(|| {
        let khz = if is_guest(sources) { sources.cpuid(0x4000_0010)[0] } else { 0 };
        (khz > 0).then(|| u64::from(khz) * 1000)
    })
}

/// Seconds since 1970 by the CMOS: read twice alike, so that no second passed within.
fn cmos(sources: &impl Sources) -> Option<u64> {
    let read = || [0, 2, 4, 7, 8, 9].map(|register| sources.cmos(register));
    let mut before = read();
    for _ in 0..1000 {
        let now = read();
        if now == before && sources.cmos(0xa) & 0x80 == 0 {
            return clock::cmos_seconds(now, sources.cmos(0xb));
        }
        before = now;
    }
    None
}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::cell::Cell;
    use std::vec::Vec;

    use super::*;

    /// A machine as far as it is known here; what is `None` is not there.
    #[derive(Default)]
    struct Fake {
        leaves: Vec<(u32, [u32; 4])>,
        /// Both of KVM's clocks, when the counter is at 5 s.
        kvm: Option<([u32; 3], [u32; 8])>,
        cmos: Option<[u8; 12]>,
        /// How often the CMOS is told to be in the middle of a change.
        changing: Cell<u32>,
        pit: Option<u64>,
    }

    /// A hypervisor of this name, with these features.
    fn guest(name: &[u8; 12], features: u32) -> Vec<(u32, [u32; 4])> {
        let word = |at: usize| u32::from_le_bytes(name[at..at + 4].try_into().unwrap());
        let named = [0x4000_0001, word(0), word(4), word(8)];
        Vec::from([(1, [0, 0, 1 << 31, 0]), (0x4000_0000, named), (0x4000_0001, [features, 0, 0, 0])])
    }

    const KVM: &[u8; 12] = b"KVMKVMKVM\0\0\0";
    const CLOCK: u32 = 1 << 3;
    /// A counter of 2 GHz that was at 0 when KVM's own clock was; the machine booted 1000 s after 1970.
    const WORDS: ([u32; 3], [u32; 8]) = ([2, 1000, 0], [2, 0, 0, 0, 0, 0, 1 << 31, 0]);
    /// The first second of the year 2000, in binary-coded digits, to 24 hours; nothing changes.
    const Y2K: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 2];

    impl Sources for Fake {
        fn cpuid(&self, leaf: u32) -> [u32; 4] {
            self.leaves.iter().find(|(known, _)| *known == leaf).map_or([0; 4], |(_, words)| *words)
        }
        fn kvm_system(&self) -> ([u32; 8], u64) {
            (self.kvm.expect("a register that the machine does not have is a fault").1, 10_000_000_000)
        }
        fn kvm_boot(&self) -> [u32; 3] {
            self.kvm.expect("a register that the machine does not have is a fault").0
        }
        fn cmos(&self, register: u8) -> u8 {
            if register == 0xa && self.changing.get() > 0 {
                self.changing.set(self.changing.get() - 1);
                return 0x80;
            }
            self.cmos.map_or(0xff, |cmos| cmos[usize::from(register)])
        }
        fn pit_rate(&self) -> Option<u64> {
            self.pit
        }
    }

    #[test]
    fn kvms_clock_is_believed_before_all_others() {
        let pit = Some(3_000_000_000);
        let fake = Fake { leaves: guest(KVM, CLOCK), kvm: Some(WORDS), cmos: Some(Y2K), pit, ..Fake::default() };
        assert_eq!(date(&fake), Reading::of_kvm(WORDS.0, WORDS.1, 10_000_000_000));
        assert_eq!(rate(&fake), Some(2_000_000_000));
    }

    #[test]
    fn where_kvm_does_not_tell_the_cmos_does() {
        let cmos = Some(Reading::of_seconds(946_684_800));
        // No hypervisor; another one; KVM without the clock: the registers are not touched, since there are none.
        let mut strangers = guest(KVM, CLOCK);
        strangers[0].1 = [0; 4];
        for leaves in [Vec::new(), strangers, guest(b"TCGTCGTCGTCG", CLOCK), guest(KVM, !CLOCK)] {
            let fake = Fake { leaves, cmos: Some(Y2K), pit: Some(7_000_000), ..Fake::default() };
            assert_eq!((date(&fake), rate(&fake)), (cmos, Some(7_000_000)));
        }
        // KVM that has written nothing.
        let kvm = Some(([0; 3], [0; 8]));
        let fake = Fake { leaves: guest(KVM, CLOCK), kvm, cmos: Some(Y2K), pit: Some(7_000_000), ..Fake::default() };
        assert_eq!((date(&fake), rate(&fake)), (cmos, Some(7_000_000)));
    }

    #[test]
    fn where_nothing_tells_nothing_is_told() {
        let fake = Fake::default();
        assert_eq!((date(&fake), rate(&fake)), (None, None));
        let kvm = Some(([0; 3], [0; 8]));
        let fake = Fake { leaves: guest(KVM, CLOCK), kvm, cmos: Some([0; 12]), ..Fake::default() };
        assert_eq!((date(&fake), rate(&fake)), (None, None), "zeros are no date");
    }

    #[test]
    fn a_date_that_changes_is_waited_for_and_not_for_ever() {
        let fake = |times| Fake { cmos: Some(Y2K), changing: Cell::new(times), ..Fake::default() };
        assert!(date(&fake(999)).is_some());
        assert_eq!(date(&fake(u32::MAX)), None);
    }

    #[test]
    fn the_processor_is_believed_before_the_pit() {
        let crystal = (0x15, [2, 250, 24_000_000, 0]);
        let khz = (0x4000_0010, [2_500_000, 0, 0, 0]);
        let of = |leaves: &[_]| rate(&Fake { leaves: leaves.to_vec(), pit: Some(7_000_000), ..Fake::default() });
        assert_eq!(of(&[crystal]), Some(3_000_000_000));
        assert_eq!(of(&[khz]), Some(7_000_000), "only a hypervisor has that leaf");
        let hypervisor = (1, [0, 0, 1 << 31, 0]);
        assert_eq!(of(&[hypervisor, khz]), Some(2_500_000_000));
        assert_eq!(of(&[hypervisor, khz, crystal]), Some(3_000_000_000));
    }
}
