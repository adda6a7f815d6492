//! A rolling hash over windows of 24 bytes: what similar texts share.

/// Bytes of a window.
pub(crate) const WINDOW: usize = 24;

const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// FACTOR to the power of the window.
const OUT: u64 = {
    let (mut power, mut n) = (1_u64, 0);
    while n < WINDOW {
        power = power.wrapping_mul(FACTOR);
        n += 1;
    }
    power
};

/// Calls `visit` with each window's end and a well-mixed hash of it.
pub(crate) fn windows(bytes: &[u8], mut visit: impl FnMut(usize, u64)) {
    let Some((first, rest)) = bytes.split_at_checked(WINDOW) else { return };
    let mut hash = 0_u64;
    for byte in first {
        hash = hash.wrapping_mul(FACTOR).wrapping_add(u64::from(*byte) + 1);
    }
    visit(WINDOW, mix(hash));
    for (n, (new, old)) in rest.iter().zip(bytes).enumerate() {
        hash = hash.wrapping_mul(FACTOR).wrapping_add(u64::from(*new) + 1);
        hash = hash.wrapping_sub(OUT.wrapping_mul(u64::from(*old) + 1));
        visit(WINDOW + 1 + n, mix(hash));
    }
}

/// The upper half of the multiplied hash depends on all of it.
#[inline]
fn mix(hash: u64) -> u64 {
    (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_one_hash_wherever_it_stands() {
        let text = b"the quick brown fox jumps over the lazy dog";
        let mut rolled = Vec::new();
        windows(text, |end, hash| rolled.push((end, hash)));
        assert_eq!(rolled.len(), text.len() - WINDOW + 1);
        for (end, hash) in rolled {
            windows(&text[end - WINDOW..end], |_, alone| assert_eq!(alone, hash));
        }
        windows(&text[..WINDOW - 1], |_, _| unreachable!());
    }
}
