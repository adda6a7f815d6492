//! Arithmetic of the clocks: ticks of the time-stamp counter to nanoseconds, what a hypervisor tells of its rate, and
//! the wall clock of a PC's CMOS.

use crate::machine::Nanos;

/// The rate of the PIT's counters, in Hz.
pub(crate) const PIT_HZ: u64 = 1_193_182;

/// A counter of ticks at a fixed rate, as nanoseconds since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticks {
    start: u64,
    hz: u64,
}

impl Ticks {
    /// A clock that begins at `start` and ticks `hz` times a second; `None` for a rate no processor has
    /// (below 1 MHz, above 1 THz).
    pub(crate) fn new(start: u64, hz: u64) -> Option<Self> {
        (1_000_000..=1_000_000_000_000).contains(&hz).then_some(Self { start, hz })
    }

    /// The time at a reading of the counter.
    pub(crate) fn at(&self, reading: u64) -> Nanos {
        let ticks = u128::from(reading.saturating_sub(self.start));
        Nanos::try_from(ticks * 1_000_000_000 / u128::from(self.hz)).unwrap_or(Nanos::MAX)
    }

    /// The ticks that a time takes.
    pub(crate) fn per(&self, nanos: Nanos) -> u64 {
        u64::try_from(u128::from(nanos) * u128::from(self.hz) / 1_000_000_000).unwrap_or(u64::MAX)
    }
}

/// The rate that kvm-clock's scale means (Linux, `Documentation/virt/kvm/x86/msr.rst`): nanoseconds are
/// (ticks shifted by `shift`) · `multiplier` / 2³².
pub(crate) fn kvm_rate(multiplier: u32, shift: i8) -> Option<u64> {
    let hz = (1_000_000_000u128 << 32).checked_div(u128::from(multiplier))?;
    let shifted = match shift {
        0..=31 => hz >> shift,
        -31..=-1 => hz << shift.unsigned_abs(),
        _ => return None,
    };
    u64::try_from(shifted).ok()
}

/// The rate from CPUID leaf 0x15: crystal · numerator / denominator.
pub(crate) fn crystal_rate(denominator: u32, numerator: u32, crystal: u32) -> Option<u64> {
    let product = u64::from(crystal) * u64::from(numerator);
    product.checked_div(u64::from(denominator)).filter(|hz| *hz > 0)
}

/// Most measures of a rate, and how many of the parts of one two may differ by that agree.
const MEASURES: usize = 15;
const PARTS: u64 = 64;

/// The rate that two measures agree on. A machine that is made to wait in the middle of one, as where others use its processor, too,
/// measures anything. Of many that never agree it is the middle one; `None` where a measure tells nothing.
pub(crate) fn agreed(mut measure: impl FnMut() -> Option<u64>) -> Option<u64> {
    let mut rates = [0; MEASURES];
    for count in 0..MEASURES {
        let rate = measure()?;
        if rates.iter().take(count).any(|other| rate.abs_diff(*other) <= rate / PARTS) {
            return Some(rate);
        }
        if let Some(place) = rates.get_mut(count) {
            *place = rate;
        }
    }
    rates.sort_unstable();
    rates.get(MEASURES / 2).copied()
}

/// The rate of a counter that went so far while another of `hz` went `ticks`; `None` where either stood still.
pub(crate) fn rate(counted: u64, ticks: u64, hz: u64) -> Option<u64> {
    let rate = (u128::from(counted) * u128::from(hz)).checked_div(u128::from(ticks))?;
    u64::try_from(rate).ok().filter(|rate| *rate > 0)
}

/// The counter's rate, from how far it went while the PIT counted down from `from` to `to`.
pub(crate) fn pit_rate(ticks: u64, from: u16, to: u16) -> Option<u64> {
    (ticks.checked_mul(PIT_HZ)?).checked_div(u64::from(from.wrapping_sub(to)))
}

/// The CMOS clock's registers 0, 2, 4, 7, 8, 9 (second, minute, hour, day, month, year of the century) and its register
/// B, as seconds since 1970; `None` where they are no date. The century is the 21st. Not all machines say truly in B whether hours go to 12
/// or to 24 (cloud-hypervisor's goes to 24, and says to 12), so, as in Linux, they are what they are; but of one in the afternoon, which
/// only a clock to 12 marks, that counts.
pub(crate) fn cmos_seconds(registers: [u8; 6], format: u8) -> Option<u64> {
    let [second, minute, hour, day, month, year] = registers;
    let (binary, full_day) = (format & 4 != 0, format & 2 != 0);
    let plain = |value: u8| {
        if binary {
            Some(u64::from(value))
        } else {
            (value & 15 < 10 && value >> 4 < 10).then(|| u64::from(value >> 4) * 10 + u64::from(value & 15))
        }
    };
    let afternoon = !full_day && hour & 0x80 != 0;
    let hour =
        if afternoon { plain(hour & 0x7f).filter(|hour| (1..=12).contains(hour))? % 12 + 12 } else { plain(hour)? };
    let (second, minute, day, month) = (plain(second)?, plain(minute)?, plain(day)?, plain(month)?);
    let year = 2000 + plain(year)?;
    let valid = second < 61 && minute < 60 && hour < 24 && (1..=31).contains(&day) && (1..=12).contains(&month);
    // Days since 1970, with years that begin in March (H. Hinnant, "chrono-compatible low-level date algorithms").
    let years = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let days = years * 365 + years / 4 - years / 100 + years / 400 + day_of_year - 719_468;
    valid.then_some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn ticks_are_time_both_ways() {
        let clock = Ticks::new(1000, 2_500_000_000).unwrap();
        assert_eq!(clock.at(1000), 0);
        assert_eq!(clock.at(0), 0, "before its start it stands still");
        assert_eq!(clock.at(1000 + 2_500_000_000 * 86_400 * 365), 86_400 * 365 * 1_000_000_000);
        assert_eq!(clock.per(1_000), 2_500);
        assert_eq!(Ticks::new(0, 0), None);
    }

    #[test]
    fn a_rate_is_what_two_measures_agree_on() {
        let of = |told: &[u64]| {
            let mut told = told.iter().copied();
            (agreed(|| told.next()), told.count())
        };
        assert_eq!(of(&[1000, 1010, 1]), (Some(1010), 1), "two are enough");
        assert_eq!(of(&[12_000, 1000, 70, 1001, 1]), (Some(1001), 1), "those of a machine that had to wait are others");
        assert_eq!(of(&[1000]), (None, 0));
        let apart: Vec<u64> = (0..20).map(|n| 1 << ((n * 7) % 15)).collect();
        assert_eq!(of(&apart), (Some(1 << 7), 5), "the middle one");
        assert_eq!(rate(300, 100, 1_000_000_000), Some(3_000_000_000));
        assert_eq!((rate(0, 100, 1000), rate(1, 0, 1000), rate(u64::MAX, 1, u64::MAX)), (None, None, None));
    }

    #[test]
    fn rates_are_those_that_were_told() {
        // 2.4 GHz, as KVM scales it: half the ticks, times 0.8333.
        assert_eq!(kvm_rate(3_579_139_413, -1).map(|hz| hz / 1_000_000), Some(2_400));
        assert_eq!(kvm_rate(1 << 31, 0), Some(2_000_000_000));
        assert_eq!(kvm_rate(0, 0), None);
        assert_eq!(kvm_rate(1, 64), None);
        assert_eq!(crystal_rate(2, 250, 24_000_000), Some(3_000_000_000));
        assert_eq!(crystal_rate(0, 250, 24_000_000), None);
        assert_eq!(crystal_rate(2, 250, 0), None);
        assert_eq!(pit_rate(20_000_000, 100, 100u16.wrapping_sub(11_932)).map(|hz| hz / 1_000_000), Some(1_999));
        assert_eq!(pit_rate(1, 7, 7), None);
    }

    #[test]
    fn the_cmos_tells_seconds() {
        assert_eq!(cmos_seconds([0x00, 0x00, 0x00, 0x01, 0x01, 0x00], 2), Some(946_684_800));
        assert_eq!(cmos_seconds([0x09, 0x05, 0x15, 0x26, 0x11, 0x26], 2), Some(1_795_705_509));
        assert_eq!(cmos_seconds([9, 5, 15, 26, 11, 26], 6), Some(1_795_705_509));
        assert_eq!(cmos_seconds([9, 5, 0x80 | 3, 26, 11, 26], 4), Some(1_795_705_509));
        assert_eq!(cmos_seconds([9, 5, 0x15, 0x26, 0x11, 0x26], 0), Some(1_795_705_509), "to 24, whatever B says");
        assert_eq!(
            cmos_seconds([9, 5, 0x80 | 0x12, 0x26, 0x11, 0x26], 0),
            cmos_seconds([9, 5, 0x12, 0x26, 0x11, 0x26], 2)
        );
        assert_eq!(cmos_seconds([9, 5, 0x80 | 0x15, 0x26, 0x11, 0x26], 0), None, "no clock marks that");
        assert_eq!(cmos_seconds([9, 5, 0x24, 0x26, 0x11, 0x26], 0), None);
        assert_eq!(cmos_seconds([0x59, 0x59, 0x23, 0x29, 0x02, 0x24], 2), Some(1_709_251_199));
        assert_eq!(cmos_seconds([0xff; 6], 2), None);
        assert_eq!(cmos_seconds([0; 6], 2), None);
    }
}
