//! The order of contents: similar ones beside each other, so that a segment compresses well.

use std::collections::HashMap;
use std::ops::Range;

use crate::survey::NO_HASH;

/// A hash that more contents have says nothing about which of them belong together.
const COMMON: usize = 48;

/// Numbers of contents in the order in which they are packed. Each has `sketch` hashes in `sketches`; `fallback` gives its rank where
/// nothing is shared.
pub(crate) fn arrange(mut sketches: Vec<u32>, sketch: usize, fallback: &[u32]) -> Vec<u32> {
    let (groups, owners) = groups(&mut sketches, sketch);
    let mut by_rank: Vec<u32> = (0..fallback.len() as u32).collect();
    by_rank.sort_unstable_by_key(|n| fallback[*n as usize]);
    let mut placed = vec![false; fallback.len()];
    let mut order = Vec::with_capacity(fallback.len());
    let mut shared: HashMap<u32, u32> = HashMap::new();
    for start in by_rank {
        let mut next = (!placed[start as usize]).then_some(start);
        while let Some(here) = next {
            placed[here as usize] = true;
            order.push(here);
            shared.clear();
            let of = sketches.iter().skip(here as usize * sketch).take(sketch);
            for group in of.filter_map(|group| groups.get(*group as usize)) {
                let owners = owners.get(group.clone()).unwrap_or_default();
                // The rarer, the more it says.
                let weight = 4096 / owners.len().max(1) as u32;
                for &other in owners.iter().filter(|other| !placed[**other as usize]) {
                    *shared.entry(other).or_default() += weight;
                }
            }
            let best = shared
                .iter()
                .max_by_key(|(n, weight)| (**weight, std::cmp::Reverse(fallback.get(**n as usize).copied())));
            next = best.map(|(n, _)| *n);
        }
    }
    order
}

/// Those who share a hash that says something: where each such group is, and the members of all. The hashes become numbers of groups.
fn groups(sketches: &mut [u32], sketch: usize) -> (Vec<Range<usize>>, Vec<u32>) {
    // A hash and where it is, in one number: half of the memory of a map.
    let mut places: Vec<u64> = Vec::with_capacity(sketches.len());
    places.extend(
        sketches
            .iter()
            .zip(0_u64..)
            .filter(|(hash, _)| **hash != NO_HASH)
            .map(|(hash, at)| u64::from(*hash) << 32 | at),
    );
    places.sort_unstable();
    let of = |place: u64| (place & u64::from(u32::MAX)) as usize;
    let (mut groups, mut owners) = (Vec::new(), Vec::new());
    for group in places.chunk_by(|a, b| a >> 32 == b >> 32) {
        let says_something = (2..=COMMON).contains(&group.len());
        let number = if says_something { groups.len() as u32 } else { NO_HASH };
        for place in group {
            sketches[of(*place)] = number;
        }
        if says_something {
            let start = owners.len();
            owners.extend(group.iter().map(|place| (of(*place) / sketch) as u32));
            groups.push(start..owners.len());
        }
    }
    (groups, owners)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arranged(sketches: &[&[u32]], fallback: &[u32]) -> Vec<u32> {
        let padded = sketches.iter().flat_map(|of| (0..3).map(|n| of.get(n).copied().unwrap_or(NO_HASH)));
        arrange(padded.collect(), 3, fallback)
    }

    #[test]
    fn what_is_alike_stands_together() {
        let sketches: [&[u32]; 5] = [&[1, 2, 3], &[7, 8, 9], &[2, 3, 4], &[8, 9], &[]];
        assert_eq!(arranged(&sketches, &[0, 1, 2, 3, 4]), [0, 2, 1, 3, 4]);
        assert_eq!(arranged(&sketches, &[4, 3, 2, 1, 0]), [4, 3, 1, 2, 0]);
    }

    #[test]
    fn what_all_have_decides_nothing() {
        let fallback: Vec<_> = (0..100).collect();
        assert_eq!(arranged(&[&[5][..]; 100], &fallback), fallback);
    }
}
