//! SPDX licence expressions, as far as crates use them (SPDX 2.3, annex D): `OR`, `AND`, `WITH`, parentheses, and the old
//! slash for `OR`.

/// Whether an expression can be met with licences that `known` accepts; `None` if it is malformed.
/// A licence `WITH` an exception is met where the licence is, since an exception only permits more.
pub(super) fn allows(text: &str, known: impl Fn(&str) -> bool) -> Option<bool> {
    let text = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut at = 0;
    let value = either(&words, &mut at, &known)?;
    (at == words.len()).then_some(value)
}

fn either(words: &[&str], at: &mut usize, known: &impl Fn(&str) -> bool) -> Option<bool> {
    let mut value = both(words, at, known)?;
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        value |= both(words, at, known)?;
    }
    Some(value)
}

fn both(words: &[&str], at: &mut usize, known: &impl Fn(&str) -> bool) -> Option<bool> {
    let mut value = one(words, at, known)?;
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        value &= one(words, at, known)?;
    }
    Some(value)
}

fn one(words: &[&str], at: &mut usize, known: &impl Fn(&str) -> bool) -> Option<bool> {
    let word = *words.get(*at)?;
    *at += 1;
    match word {
        "(" => {
            let value = either(words, at, known)?;
            let closed = words.get(*at) == Some(&")");
            *at += 1;
            closed.then_some(value)
        }
        ")" | "OR" | "AND" | "WITH" => None,
        licence => {
            if words.get(*at) == Some(&"WITH") {
                words.get(*at + 1)?;
                *at += 2;
            }
            Some(known(licence))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_says() {
        let mit = |text| allows(text, |id| id == "MIT");
        for (text, met) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("Apache-2.0 OR MIT", true),
            ("Apache-2.0 AND MIT", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", false),
            ("Unicode-3.0 AND BSD-3-Clause OR MIT", true),
            ("MIT AND (Zlib OR MIT)", true),
            ("Apache-2.0 WITH LLVM-exception OR MIT", true),
            ("MIT WITH x", true),
        ] {
            assert_eq!(mit(text), Some(met), "{text}");
        }
        for bad in ["", "MIT AND", "OR MIT", "(MIT", "MIT)", "MIT MIT", "MIT WITH", "()"] {
            assert_eq!(mit(bad), None, "{bad}");
        }
    }
}
