//! Padmé: lengths that say little (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with
//! PURBs", PoPETs 2019, section 4).

/// The length that `len` is padded to: at most 12 % more, less the longer it is; only O(log log) of its bits are left to
/// tell lengths apart. A length past `u64::MAX` stays as it is.
#[must_use]
pub fn padded_len(len: u64) -> u64 {
    let Some(exponent) = len.checked_ilog2().filter(|&e| e > 0) else { return len };
    let kept = exponent.ilog2() + 1;
    let mask = (1 << (exponent - kept)) - 1;
    len.checked_add(mask).map_or(len, |sum| sum & !mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked by hand from the paper's algorithm.
    #[test]
    fn known_lengths() {
        for (len, padded) in [
            (0, 0),
            (1, 1),
            (2, 2),
            (8, 8),
            (9, 10),
            (100, 104),
            (1000, 1024),
            (1025, 1088),
            (1 << 20, 1 << 20),
            ((1 << 20) + 1, (1 << 20) + (1 << 15)),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(padded_len(len), padded, "{len}");
        }
    }

    #[test]
    fn never_shorter_never_12_percent_more_and_stable() {
        let mut last = 0;
        for len in 1..200_000u64 {
            let padded = padded_len(len);
            assert!(padded >= len && padded >= last && padded - len <= len * 12 / 100 + 1, "{len}");
            assert_eq!(padded_len(padded), padded);
            last = padded;
        }
    }
}
