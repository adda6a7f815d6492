//! The wall clock: what the machine's hardware tells of the date, looked at again and again, since the counter that time is measured by
//! stands still while a machine is paused, and goes a little wrong.

use crate::machine::Nanos;

const SECOND: Nanos = 1_000_000_000;

/// How long what was last looked up is gone by, at least, by the clock since boot: a look takes a few dozen port accesses.
pub(crate) const LOOK: Nanos = 2 * SECOND;

/// How exactly KVM's clock is taken: steps smaller than this are not made.
const EXACT: Nanos = SECOND / 1000;

/// What the hardware says: the time since 1970 is in `from..from + within`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    from: Nanos,
    within: Nanos,
}

impl Reading {
    /// By a clock that tells whole seconds.
    pub(crate) fn of_seconds(seconds: u64) -> Self {
        Self { from: seconds.saturating_mul(SECOND), within: SECOND }
    }

    /// By KVM's clock, when the time-stamp counter was at `ticks` (Linux, `Documentation/virt/kvm/x86/msr.rst`): the words that
    /// `MSR_KVM_WALL_CLOCK_NEW` and `MSR_KVM_SYSTEM_TIME_NEW` have the host write. `None` where it wrote nothing, or is in the middle.
    pub(crate) fn of_kvm(boot: [u32; 3], system: [u32; 8], ticks: u64) -> Option<Self> {
        let [version, seconds, nanos] = boot;
        if version == 0 || version % 2 != 0 || nanos >= 1_000_000_000 {
            return None;
        }
        let boot = Nanos::from(seconds) * SECOND + Nanos::from(nanos);
        Some(Self { from: boot.checked_add(kvm_time(system, ticks)?)?, within: EXACT })
    }
}

/// The nanoseconds of KVM's own clock.
fn kvm_time([version, _, then, then_high, time, time_high, multiplier, flags]: [u32; 8], ticks: u64) -> Option<Nanos> {
    if version == 0 || version % 2 != 0 || multiplier == 0 {
        return None;
    }
    let long = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    // A counter that is behind by some ticks is at that moment.
    let passed = u128::from(ticks.saturating_sub(long(then, then_high)));
    let shifted = match flags as i8 {
        shift @ 0..=31 => passed << shift,
        shift @ -31..=-1 => passed >> shift.unsigned_abs(),
        _ => return None,
    };
    let passed = shifted.checked_mul(multiplier.into())? >> 32;
    long(time, time_high).checked_add(u64::try_from(passed).ok()?)
}

/// The time since 1970: that of the last look, and what has passed since by the clock since boot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wall {
    first: Nanos,
    last: Nanos,
    looked: Nanos,
}

impl Wall {
    /// As the first look tells it, at `now` by the clock since boot.
    pub(crate) fn new(reading: Reading, now: Nanos) -> Self {
        Self { first: reading.from, last: reading.from, looked: now }
    }

    /// The time at `now` by the clock since boot, after a look where the last one is [`LOOK`] ago. One that finds another time than what
    /// was counted is followed, forwards and backwards, by the least step that agrees with it; but never to before the first look. One
    /// that finds nothing changes nothing.
    pub(crate) fn at(&mut self, now: Nanos, look: impl FnOnce() -> Option<Reading>) -> Nanos {
        let passed = now.saturating_sub(self.looked);
        let counted = self.last.saturating_add(passed);
        if passed < LOOK {
            return counted;
        }
        (self.last, self.looked) = (counted, now);
        if let Some(Reading { from, within }) = look() {
            self.last = counted.clamp(from, from.saturating_add(within - 1)).max(self.first);
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2020-09-13.
    const DAY: u64 = 1_600_000_000;

    fn never() -> Option<Reading> {
        unreachable!("it is too early for a look")
    }

    #[test]
    fn what_is_counted_is_kept_where_the_clock_agrees() {
        let mut wall = Wall::new(Reading::of_seconds(DAY), 5 * SECOND);
        assert_eq!(wall.at(5 * SECOND, never), DAY * SECOND);
        assert_eq!(wall.at(7 * SECOND - 1, never), (DAY + 2) * SECOND - 1);
        assert_eq!(wall.at(7 * SECOND + 1, || Some(Reading::of_seconds(DAY + 2))), (DAY + 2) * SECOND + 1);
        assert_eq!(wall.at(9 * SECOND, never), (DAY + 4) * SECOND, "the last look is not two seconds ago");
        assert_eq!(wall.at(10 * SECOND, || None), (DAY + 5) * SECOND, "a clock that fails changes nothing");
    }

    #[test]
    fn what_was_missed_in_a_pause_is_stepped_over() {
        let mut wall = Wall::new(Reading::of_seconds(DAY), 0);
        let after = |seconds: u64| move || Some(Reading::of_seconds(DAY + seconds));
        assert_eq!(wall.at(2 * SECOND, after(3602)), (DAY + 3602) * SECOND);
        assert_eq!(wall.at(3 * SECOND, never), (DAY + 3603) * SECOND);
        // The counter was measured as too slow: by the end of a second the clock has said the next.
        assert_eq!(wall.at(4 * SECOND + 7, after(3605)), (DAY + 3605) * SECOND);
    }

    #[test]
    fn it_goes_back_by_the_least_that_agrees_and_never_to_before_its_begin() {
        let mut wall = Wall::new(Reading::of_seconds(DAY), 0);
        let told = |seconds: u64| move || Some(Reading::of_seconds(seconds));
        assert_eq!(wall.at(5 * SECOND, told(DAY + 3)), (DAY + 4) * SECOND - 1);
        assert_eq!(
            wall.at(8 * SECOND, told(946_684_800)),
            DAY * SECOND,
            "a clock that lost its date does not take it away"
        );
        assert_eq!(wall.at(11 * SECOND, told(DAY + 11)), (DAY + 11) * SECOND);
        assert_eq!(wall.at(0, never), (DAY + 11) * SECOND, "a clock since boot that goes back does nothing");
    }

    /// What KVM writes at 2.4 GHz: half the ticks, times 5/6 of 2.
    fn system(version: u32) -> [u32; 8] {
        [version, 0, 1000, 2, 0x3b9a_ca00, 1, 3_579_139_413, 0xff]
    }

    #[test]
    fn kvm_tells_the_time_at_boot_and_since() {
        let then = (2 << 32) + 1000;
        let since = (1 << 32) + 1_000_000_000;
        assert_eq!(kvm_time(system(2), then), Some(since));
        assert_eq!(kvm_time(system(2), then - 1000), Some(since), "behind");
        let second = kvm_time(system(2), then + 2_400_000_000).unwrap() - since;
        assert!(second.abs_diff(SECOND) <= 1, "{second}");
        let mut fast = system(2);
        fast[6..].copy_from_slice(&[1 << 31, 1]);
        assert_eq!(kvm_time(fast, then + 77), Some(since + 77));
        let reading = Reading::of_kvm([4, DAY as u32, 5], system(2), then).unwrap();
        assert_eq!(reading, Reading { from: DAY * SECOND + 5 + since, within: EXACT });
    }

    #[test]
    fn kvm_that_writes_nothing_or_is_in_the_middle_tells_nothing() {
        let whole = [2, DAY as u32, 0];
        for wrong in [[0; 3], [3, DAY as u32, 0], [2, DAY as u32, u32::MAX]] {
            assert_eq!(Reading::of_kvm(wrong, system(2), 1 << 40), None);
        }
        assert_eq!(Reading::of_kvm(whole, [0; 8], 0), None);
        assert_eq!(Reading::of_kvm(whole, system(5), 0), None);
        let mut wild = system(2);
        wild[7] = 64;
        assert_eq!(Reading::of_kvm(whole, wild, 0), None, "no such shift");
        let mut late = system(2);
        late[4..6].copy_from_slice(&[u32::MAX; 2]);
        assert_eq!(Reading::of_kvm(whole, late, u64::MAX), None, "behind all counting");
    }
}
