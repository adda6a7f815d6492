//! Range requests (RFC 9110 section 14): one range of bytes.

use std::ops::Range;

/// What a `Range` header asks of content of `size` bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Everything: no range, one in another unit, several, or one that is not well formed (section 14.2 lets it be ignored).
    Whole,
    /// These bytes; never empty.
    Part(Range<u64>),
    /// Nothing that exists.
    Outside,
}

/// Reads a `Range` header's value.
#[must_use]
pub fn asked(value: &str, size: u64) -> Asked {
    let Some((unit, set)) = value.split_once('=') else { return Asked::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Asked::Whole };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(suffix)) if first.is_empty() => size.saturating_sub(suffix)..size,
        _ => return Asked::Whole,
    };
    if range.is_empty() { Asked::Outside } else { Asked::Part(range) }
}

/// Decimal digits; a number too large to hold is as good as the largest.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_range() {
        let cases = [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=2-", Asked::Part(2..10)),
            ("Bytes=2-99999999999999999999999", Asked::Part(2..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-30", Asked::Part(0..10)),
            ("bytes=9-", Asked::Part(9..10)),
            ("bytes=10-", Asked::Outside),
            ("bytes=99999999999999999999-", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=3-2", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("items=0-1", Asked::Whole),
            ("", Asked::Whole),
        ];
        for (value, expected) in cases {
            assert_eq!(asked(value, 10), expected, "{value}");
        }
        assert_eq!(asked("bytes=0-", 0), Asked::Outside);
    }
}
