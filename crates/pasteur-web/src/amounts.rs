//! Bytes and times in a person's units. Whole numbers only: formatting floats would weigh more than the rest of this.

use alloc::format;
use alloc::string::String;

/// A length in bytes as a person reads it: `0 bytes`, `1 byte`, `1.5 KiB`, `300 MiB`.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if n == 1 {
        return String::from("1 byte");
    }
    if n < 1024 {
        return format!("{n} bytes");
    }
    // Tenths, rounded; the next unit begins where this one would show 1024.
    let (mut unit, mut size) = (0, 1u128 << 10);
    while unit + 1 < UNITS.len() && (u128::from(n) * 10 + size / 2) / size >= 10_240 {
        unit += 1;
        size <<= 10;
    }
    let tenths = (u128::from(n) * 10 + size / 2) / size;
    let (whole, tenth) = (tenths / 10, tenths % 10);
    if whole >= 100 || tenth == 0 {
        format!("{} {}", (u128::from(n) + size / 2) / size, UNITS[unit])
    } else {
        format!("{whole}.{tenth} {}", UNITS[unit])
    }
}

/// A span of seconds in its largest whole unit, rounded down: `45 seconds`, `1 hour`, `3 days`, `1 month`.
pub(crate) fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 6] = [
        (31_536_000, "year"),
        (2_592_000, "month"),
        (604_800, "week"),
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
    ];
    let (n, unit) = UNITS
        .into_iter()
        // "8 weeks" says less than "56 days"; a unit is used where nothing is lost, or there is enough of it.
        .find(|&(size, _)| seconds >= size && (seconds.is_multiple_of(size) || seconds >= 2 * size))
        .map_or((seconds, "second"), |(size, unit)| (seconds / size, unit));
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

/// How far along, in thousandths, for a progress bar. Nothing to do is done.
pub(crate) fn thousandths(done: u64, all: u64) -> u32 {
    if all == 0 || done >= all {
        return 1000;
    }
    (u128::from(done) * 1000 / u128::from(all)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_as_a_person_reads_them() {
        for (n, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (1_048_575, "1 MiB"),
            (1_048_576, "1 MiB"),
            (314_572_800, "300 MiB"),
            (157_810_688, "151 MiB"),
            (5_368_709_120, "5 GiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(bytes(n), text);
        }
    }

    #[test]
    fn spans_in_their_largest_unit() {
        for (n, text) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (90, "90 seconds"),
            (600, "10 minutes"),
            (3_600, "1 hour"),
            (86_399, "23 hours"),
            (604_800, "1 week"),
            (2_592_000, "1 month"),
            (7_776_000, "3 months"),
            (31_536_000, "1 year"),
        ] {
            assert_eq!(span(n), text);
        }
    }

    #[test]
    fn thousandths_never_pass_the_end() {
        assert_eq!(thousandths(0, 0), 1000);
        assert_eq!(thousandths(1, 3), 333);
        assert_eq!(thousandths(u64::MAX, u64::MAX), 1000);
        assert_eq!(thousandths(u64::MAX - 1, u64::MAX), 999);
    }
}
