//! How long a paste lives, as people write it: `30m`, `1d`, `2h30m`, `never`.

use api::Expiry;

/// The units, from long to short. A month is left out: it has no fixed length, and `m` is the minute.
const UNITS: [(char, u64); 6] =
    [('y', 365 * 86_400), ('w', 7 * 86_400), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// The longest life that can be asked for: a hundred years.
const LONGEST: u64 = api::LONGEST_LIFE;

/// Why a life time was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    #[error("a life time is written like 30m, 1d, 2h30m or never")]
    Empty,
    #[error("{0:?} needs a unit after it: y, w, d, h, m or s")]
    Unit(String),
    #[error("there is no unit {0:?}; there are y, w, d, h, m and s")]
    UnknownUnit(char),
    #[error("{0:?} needs a number before it")]
    Number(char),
    #[error("units go from long to short, each once, as in 2h30m")]
    Order,
    #[error("a paste lives for at least 1s")]
    Zero,
    #[error("a paste lives for at most 100y, or never ends: never")]
    TooLong,
}

/// Reads a life time.
pub(crate) fn parse(text: &str) -> Result<Expiry, DurationError> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    let (mut total, mut digits, mut next_unit) = (0_u64, String::new(), 0);
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let at = UNITS.iter().position(|(unit, _)| *unit == c).ok_or(DurationError::UnknownUnit(c))?;
        if digits.is_empty() {
            return Err(DurationError::Number(c));
        }
        if at < next_unit {
            return Err(DurationError::Order);
        }
        next_unit = at + 1;
        // Digits alone: only a number that is too large fails here.
        let amount: u64 = digits.parse().map_err(|_| DurationError::TooLong)?;
        digits.clear();
        total = amount.checked_mul(UNITS[at].1).and_then(|s| total.checked_add(s)).ok_or(DurationError::TooLong)?;
    }
    match total {
        _ if !digits.is_empty() => Err(DurationError::Unit(digits)),
        0 => Err(DurationError::Zero),
        LONGEST.. if total > LONGEST => Err(DurationError::TooLong),
        seconds => Ok(Expiry::In(seconds)),
    }
}

/// Writes a number of seconds as [`parse`] reads it, in the two longest units that it has.
pub(crate) fn show(seconds: u64) -> String {
    let mut left = seconds;
    let mut parts = UNITS.iter().filter_map(|(unit, length)| {
        let amount = left / length;
        left %= length;
        (amount > 0).then(|| format!("{amount}{unit}"))
    });
    match (parts.next(), parts.next()) {
        (None, _) => String::from("0s"),
        (Some(one), None) => one,
        (Some(one), Some(two)) => one + &two,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, seconds) in
            [("1d", 86_400), ("2h30m", 9_000), ("1s", 1), ("1w", 604_800), ("90m", 5_400), ("1y1w1d1h1m1s", 32_230_861)]
        {
            assert_eq!(parse(text), Ok(Expiry::In(seconds)), "{text}");
        }
        assert_eq!(parse("never"), Ok(Expiry::Never));
        assert_eq!(parse("100y"), Ok(Expiry::In(LONGEST)));
    }

    #[test]
    fn says_what_is_wrong() {
        use DurationError as E;
        for (text, error) in [
            ("", E::Empty),
            ("90", E::Unit("90".into())),
            ("1h30", E::Unit("30".into())),
            ("1x", E::UnknownUnit('x')),
            ("-1d", E::UnknownUnit('-')),
            ("1 d", E::UnknownUnit(' ')),
            ("d", E::Number('d')),
            ("1dd", E::Number('d')),
            ("30m2h", E::Order),
            ("1h1h", E::Order),
            ("0s", E::Zero),
            ("101y", E::TooLong),
            ("99999999999999999999s", E::TooLong),
            ("9999999999999999999y", E::TooLong),
            ("Never", E::UnknownUnit('N')),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn shows_the_two_longest_units() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (9_000, "2h30m"), (86_400, "1d"), (90_061, "1d1h")] {
            assert_eq!(show(seconds), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_an_answer(text in ".{0,40}") {
            if let Ok(Expiry::In(seconds)) = parse(&text) {
                prop_assert!((1..=LONGEST).contains(&seconds));
            }
        }

        #[test]
        fn what_is_shown_is_read(days in 0_u64..3000, hours in 0_u64..24) {
            let seconds = (days * 86_400 + hours * 3_600).max(1);
            let Ok(Expiry::In(read)) = parse(&show(seconds)) else { return Err(TestCaseError::fail("refused")) };
            prop_assert!(read <= seconds && seconds - read < 7 * 86_400);
        }
    }
}
