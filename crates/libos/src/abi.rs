//! What the symbols of the ABI do with what they are given, and what they answer, as the crate `hermit-abi` 0.5 has it; memory, threads
//! and the console are arguments, so that a test has its own.

use core::alloc::Layout;

use crate::machine::Nanos;
use crate::scheduler::Woken;

pub(crate) const EAGAIN: i32 = 11;
pub(crate) const EBADF: i32 = 9;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const ETIMEDOUT: i32 = 110;

const SECOND: Nanos = 1_000_000_000;

/// The numbers of clocks, and the flag of a wait whose limit is a span.
const REALTIME: i32 = 1;
const MONOTONIC: i32 = 4;
const RELATIVE: u32 = 1;

/// `timespec`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timespec {
    pub(crate) seconds: i64,
    pub(crate) nanos: i32,
}

impl Timespec {
    fn of(time: Nanos) -> Self {
        Self { seconds: (time / SECOND).cast_signed(), nanos: (time % SECOND) as i32 }
    }

    /// A time before 0 is 0, and one that is beyond all counting the last there is.
    fn nanos(self) -> Nanos {
        let seconds = Nanos::try_from(self.seconds).unwrap_or(0).saturating_mul(SECOND);
        seconds.saturating_add(Nanos::try_from(self.nanos).unwrap_or(0))
    }
}

/// Memory of a size and an alignment; `None` where no memory has such.
pub(crate) fn layout(size: usize, align: usize) -> Option<Layout> {
    Layout::from_size_align(size, align).ok()
}

/// Writes to standard output or standard error, which are one; answers how much was written, or minus an error.
pub(crate) fn write(file: i32, text: &[u8], print: impl FnOnce(&[u8])) -> isize {
    if !matches!(file, 1 | 2) {
        return -(EBADF as isize);
    }
    if !text.is_empty() {
        print(text);
    }
    text.len().cast_signed()
}

/// As [`write`], for several pieces.
pub(crate) fn write_all<'a>(
    file: i32,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    mut print: impl FnMut(&[u8]),
) -> isize {
    let mut written = 0;
    for piece in pieces {
        match write(file, piece, &mut print) {
            wrote @ 0.. => written += wrote,
            error => return error,
        }
    }
    written
}

/// The time by a clock.
///
/// # Errors
/// There is no such clock.
pub(crate) fn time(
    clock: i32,
    wall: impl FnOnce() -> Nanos,
    monotonic: impl FnOnce() -> Nanos,
) -> Result<Timespec, i32> {
    match clock {
        REALTIME => Ok(Timespec::of(wall())),
        MONOTONIC => Ok(Timespec::of(monotonic())),
        _ => Err(EINVAL),
    }
}

/// When a wait ends whose limit is a time, or a span from `now` on.
pub(crate) fn deadline(limit: Option<&Timespec>, flags: u32, now: impl FnOnce() -> Nanos) -> Option<Nanos> {
    let span = limit?.nanos();
    Some(if flags & RELATIVE != 0 { now().saturating_add(span) } else { span })
}

/// Waits at a futex whose word is `word`, unless that is not what was expected.
pub(crate) fn futex_wait(word: u32, expected: u32, wait: impl FnOnce() -> Woken) -> i32 {
    if word != expected {
        return -EAGAIN;
    }
    match wait() {
        Woken::Event => 0,
        Woken::Deadline => -ETIMEDOUT,
    }
}

/// Wakes at most so many of those who wait at a futex; answers how many.
pub(crate) fn futex_wake(most: i32, wake: impl FnOnce(usize) -> usize) -> i32 {
    i32::try_from(wake(usize::try_from(most).unwrap_or(0))).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn words_go_to_both_outputs_and_to_nothing_else() {
        let mut said = Vec::new();
        let mut console = |text: &[u8]| said.push(text.to_vec());
        assert_eq!([1, 2].map(|file| write(file, b"words", &mut console)), [5, 5]);
        assert_eq!([0, 3, -1].map(|file| write(file, b"words", &mut console)), [-9, -9, -9]);
        assert_eq!(write(1, b"", &mut console), 0);
        assert_eq!(write_all(2, [&b"a"[..], b"", b"bc"], &mut console), 3);
        assert_eq!(write_all(5, [&b"a"[..]], &mut console), -9);
        assert_eq!(write_all(1, [], &mut console), 0);
        assert_eq!(said, [&b"words"[..], b"words", b"a", b"bc"]);
    }

    #[test]
    fn each_clock_tells_its_time() {
        let at = |clock| time(clock, || 1_700_000_000 * SECOND + 999_999_999, || 5);
        assert_eq!(at(1), Ok(Timespec { seconds: 1_700_000_000, nanos: 999_999_999 }));
        assert_eq!(at(4), Ok(Timespec { seconds: 0, nanos: 5 }));
        assert_eq!([0, 2, -1].map(at), [Err(EINVAL); 3]);
        assert_eq!(Timespec::of(Nanos::MAX).nanos(), Nanos::MAX);
    }

    #[test]
    fn limits_are_times_or_spans_and_never_overflow() {
        let limit = |seconds, nanos, flags| deadline(Some(&Timespec { seconds, nanos }), flags, || 100);
        assert_eq!((limit(2, 7, 0), limit(2, 7, 1)), (Some(2_000_000_007), Some(2_000_000_107)));
        assert_eq!((limit(-1, 0, 0), limit(-1, -1, 1)), (Some(0), Some(100)), "what is over");
        assert_eq!((limit(i64::MAX, 0, 0), limit(i64::MAX, i32::MAX, 1)), (Some(Nanos::MAX), Some(Nanos::MAX)));
        assert_eq!(deadline(None, 1, || 100), None, "for ever");
    }

    #[test]
    fn a_futex_is_waited_at_only_while_its_word_is_as_expected() {
        assert_eq!(futex_wait(1, 2, || unreachable!("somebody has changed the word")), -EAGAIN);
        assert_eq!(futex_wait(2, 2, || Woken::Event), 0);
        assert_eq!(futex_wait(2, 2, || Woken::Deadline), -ETIMEDOUT);
        let waiting = |most| futex_wake(most, |most| most.min(3));
        assert_eq!([0, 1, 7, i32::MAX, -1].map(waiting), [0, 1, 3, 3, 0]);
    }

    #[test]
    fn memory_that_cannot_be_is_refused() {
        assert_eq!(layout(0, 1).map(|layout| layout.size()), Some(0));
        for (size, align) in [(1, 0), (1, 3), (usize::MAX, 8), (isize::MAX as usize, 16)] {
            assert_eq!(layout(size, align), None, "{size} {align}");
        }
    }
}
