//! The order of contents: similar ones beside each other, so that a segment compresses well.

use std::collections::HashMap;

use crate::survey::Unique;

/// A hash that more contents have says nothing about which of them belong together.
const COMMON: usize = 48;

/// Numbers of contents in the order in which they are packed. `fallback` gives each content's rank where nothing is shared.
pub(crate) fn arrange(uniques: &[Unique], fallback: &[usize]) -> Vec<usize> {
    let mut owners: HashMap<u32, Vec<u32>> = HashMap::new();
    for (n, unique) in uniques.iter().enumerate() {
        for hash in &unique.sketch {
            let owners = owners.entry(*hash).or_default();
            // One more than is of use tells that it is common.
            if owners.len() <= COMMON {
                owners.push(n as u32);
            }
        }
    }
    owners.retain(|_, owners| (2..=COMMON).contains(&owners.len()));

    let mut by_rank: Vec<usize> = (0..uniques.len()).collect();
    by_rank.sort_by_key(|n| fallback.get(*n));
    let mut placed = vec![false; uniques.len()];
    let mut order = Vec::with_capacity(uniques.len());
    let mut shared: HashMap<u32, u32> = HashMap::new();
    for start in by_rank {
        let mut next = (!placed[start]).then_some(start);
        while let Some(here) = next {
            placed[here] = true;
            order.push(here);
            shared.clear();
            for owners in uniques[here].sketch.iter().filter_map(|hash| owners.get(hash)) {
                // The rarer, the more it says.
                let weight = 4096 / owners.len() as u32;
                for &other in owners.iter().filter(|other| !placed[**other as usize]) {
                    *shared.entry(other).or_default() += weight;
                }
            }
            let best = shared.iter().max_by_key(|(n, weight)| {
                (**weight, std::cmp::Reverse(fallback.get(**n as usize).copied().unwrap_or(usize::MAX)))
            });
            next = best.map(|(n, _)| *n as usize);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unique(sketch: &[u32]) -> Unique {
        Unique { key: 0, node: 0, size: 1, pieces: Vec::new(), sketch: sketch.to_vec() }
    }

    #[test]
    fn what_is_alike_stands_together() {
        let uniques = [unique(&[1, 2, 3]), unique(&[7, 8, 9]), unique(&[2, 3, 4]), unique(&[8, 9]), unique(&[])];
        assert_eq!(arrange(&uniques, &[0, 1, 2, 3, 4]), [0, 2, 1, 3, 4]);
        assert_eq!(arrange(&uniques, &[4, 3, 2, 1, 0]), [4, 3, 1, 2, 0]);
    }

    #[test]
    fn what_all_have_decides_nothing() {
        let uniques: Vec<_> = (0..100).map(|_| unique(&[5])).collect();
        let fallback: Vec<_> = (0..100).collect();
        assert_eq!(arrange(&uniques, &fallback), fallback);
    }
}
