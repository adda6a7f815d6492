//! Sizes and times as an operator writes them.

use std::time::Duration;

/// Units of size; KB and the like are powers of 1000, KiB and single letters of 1024.
const SIZES: [(&str, u64); 13] = [
    ("b", 1),
    ("k", 1 << 10),
    ("kb", 1000),
    ("kib", 1 << 10),
    ("m", 1 << 20),
    ("mb", 1_000_000),
    ("mib", 1 << 20),
    ("g", 1 << 30),
    ("gb", 1_000_000_000),
    ("gib", 1 << 30),
    ("t", 1 << 40),
    ("tb", 1_000_000_000_000),
    ("tib", 1 << 40),
];

/// Units of time in milliseconds.
const TIMES: [(&str, u64); 6] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 7 * 86_400_000)];

/// A size in bytes: `1048576`, `64MiB`, `2g`. With feature `options`.
///
/// # Errors
/// What a size looks like, in a sentence.
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor = match unit.trim().to_ascii_lowercase() {
        unit if unit.is_empty() => Some(1),
        unit => SIZES.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor),
    };
    let size = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor));
    size.ok_or_else(|| String::from("a size is a whole number of bytes, or one with a unit, as 64MiB or 2GB"))
}

/// A size of at least one byte.
pub(crate) fn some_size(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err(String::from("nothing could be stored: at least one byte is needed")),
        size => Ok(size),
    }
}

/// How many of something, at least one.
pub(crate) fn some(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(0) => Err(String::from("at least 1 is needed")),
        Ok(number) => Ok(number),
        Err(_) => Err(String::from("a whole number is needed")),
    }
}

/// A time: `30s`, `2h30m`, `7d`. With feature `options`.
///
/// # Errors
/// What a time looks like, in a sentence.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || String::from("a time is numbers with units, as 30s, 2h30m or 7d");
    let mut rest = text.trim();
    let mut millis = 0_u64;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let (number, after) = split(rest);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let factor = TIMES.iter().find(|(name, _)| *name == after[..end].trim()).map(|(_, factor)| *factor);
        let part = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor));
        millis = part.and_then(|part| millis.checked_add(part)).ok_or_else(wrong)?;
        rest = &after[end..];
    }
    if millis == 0 { Err(String::from("a time of nothing")) } else { Ok(Duration::from_millis(millis)) }
}

/// A time of whole seconds, at least one.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let time = duration(text)?;
    if time.subsec_nanos() == 0 { Ok(time.as_secs()) } else { Err(String::from("whole seconds are needed")) }
}

/// The digits in front, and the rest.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes() {
        let cases =
            [("0", 0), ("17", 17), ("64MiB", 64 << 20), ("64 mib", 64 << 20), ("2g", 2 << 30), ("1GB", 1_000_000_000)];
        for (text, bytes) in cases {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "MiB", "-1", "1.5G", "1 2", "99999999999GiB", "1 potato"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_times() {
        let cases = [("30s", 30_000), ("2h30m", 9_000_000), ("7d", 604_800_000), ("150ms", 150), ("1w", 604_800_000)];
        for (text, millis) in cases {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "30", "s", "1x", "0s", "-1s", "99999999999999999w"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(seconds("1m"), Ok(60));
        assert!(seconds("1500ms").is_err());
    }
}
