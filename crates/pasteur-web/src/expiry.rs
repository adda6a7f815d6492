//! The life times the create page offers.

use alloc::vec::Vec;

use api::Expiry;

/// Seconds of each choice, in ascending order.
const CHOICES: [u64; 6] = [600, 3_600, 86_400, 604_800, 2_592_000, 31_536_000];
const DEFAULT: u64 = 604_800;

/// What is offered where the server's longest life is `longest` (`None`: there is no longest), and which of them is
/// chosen at first: a week, or the nearest below it.
pub(crate) fn choices(longest: Option<u64>) -> (Vec<Expiry>, usize) {
    let mut offered: Vec<u64> = CHOICES.into_iter().filter(|&s| longest.is_none_or(|l| s <= l)).collect();
    if let Some(longest) = longest.filter(|l| *l > 0 && offered.last() != Some(l)) {
        // The server allows more than our last choice below it: offer all it allows.
        offered.push(longest);
    }
    let first = offered.iter().rposition(|&s| s <= DEFAULT).unwrap_or(0);
    let mut all: Vec<Expiry> = offered.into_iter().map(Expiry::In).collect();
    if longest.is_none() {
        all.push(Expiry::Never);
    }
    (all, first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_all_are_offered() {
        let (all, first) = choices(None);
        assert_eq!(all.len(), 7);
        assert_eq!(all[first], Expiry::In(DEFAULT));
        assert_eq!(all[6], Expiry::Never);
    }

    #[test]
    fn a_limit_is_the_last_choice() {
        let (all, first) = choices(Some(86_400));
        assert_eq!(all, [Expiry::In(600), Expiry::In(3_600), Expiry::In(86_400)]);
        assert_eq!(first, 2);
        assert_eq!(choices(Some(100)), (alloc::vec![Expiry::In(100)], 0));
        let (all, first) = choices(Some(7_776_000));
        assert_eq!(all.last(), Some(&Expiry::In(7_776_000)));
        assert_eq!(all[first], Expiry::In(DEFAULT));
    }
}
