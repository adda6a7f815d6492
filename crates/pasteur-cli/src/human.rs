//! Sizes, times and strangers' texts, for people to read.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::duration;

/// A number of bytes, as `512 B`, `3.4 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let (mut whole, mut unit) = (bytes, 0);
    let mut tenths = 0;
    while whole >= 1024 {
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit += 1;
    }
    match ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].get(unit) {
        Some(name) if unit == 0 => format!("{whole} {name}"),
        Some(name) => format!("{whole}.{tenths} {name}"),
        None => format!("{bytes} B"),
    }
}

/// Seconds since 1970, now.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// When a paste ends: `2026-12-02 20:00 UTC (in 6d23h)`, or `never`.
pub(crate) fn end(expires_at: Option<u64>, now: u64) -> String {
    match expires_at {
        None => String::from("never"),
        Some(at) if at > now => format!("{} (in {})", date(at), duration::show(at - now)),
        Some(at) => date(at),
    }
}

/// Seconds since 1970 as `2026-12-02 20:00 UTC`.
pub(crate) fn date(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    let minutes = seconds % 86_400 / 60;
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// The Gregorian date of a day counted from 1970-01-01, by eras of 400 years that begin on a first of March.
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// A stranger's text with everything that could steer a terminal, or turn its reading around, made visible.
/// Line ends and tabs are kept only where `lines` says so.
pub(crate) fn printable(text: &str, lines: bool) -> String {
    text.chars().map(|c| if steers(c) && !(lines && matches!(c, '\n' | '\t')) { '\u{FFFD}' } else { c }).collect()
}

/// Whether a character is a control character, or one that reorders or breaks the text around it.
pub(crate) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1 << 20, "1.0 MiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn dates_are_right() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (951_868_799, "2000-02-29 23:59 UTC"),
            (1_709_164_800, "2024-02-29 00:00 UTC"),
            (1_795_637_192, "2026-11-25 20:06 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(date(seconds), text);
        }
        assert_eq!(end(None, 0), "never");
        assert_eq!(end(Some(90_000), 0), "1970-01-02 01:00 UTC (in 1d1h)");
        assert_eq!(end(Some(0), 5), "1970-01-01 00:00 UTC");
    }

    #[test]
    fn a_strangers_text_cannot_steer_the_terminal() {
        assert_eq!(
            printable("a\x1b[2Jb\u{9b}c\u{202e}d\r\n", false),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}\u{fffd}"
        );
        assert_eq!(printable("a\tb\nc\r", true), "a\tb\nc\u{fffd}");
        assert_eq!(printable("Grüße, 世界 👩‍🚀", false), "Grüße, 世界 👩‍🚀");
    }
}
