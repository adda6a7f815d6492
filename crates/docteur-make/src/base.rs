//! Choosing the base: the text that most segments share.
//!
//! A segment is seen as the set of its sampled windows. A block of 2 KiB is worth, for each of its windows that the base does not have
//! yet, the number of other segments that have it too. The most valuable block is taken, again and again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::rolling::windows;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 2048;
/// The most sampled windows of a whole input, by which memory is bounded: some 32 bytes for each. Very many files, which take memory
/// themselves, leave less of it.
const SAMPLES: u64 = 12 << 20;
const LEAST: u64 = 2 << 20;
/// On average one window in so many is sampled, at least.
const SPARSEST: u64 = 64;

/// A segment's sampled windows, block by block.
#[derive(Debug, Default)]
pub(crate) struct Sampled {
    /// The blocks that have some, and where the hashes of each end.
    blocks: Vec<(u32, u32)>,
    hashes: Vec<u32>,
}

/// What windows are sampled in an input of so many bytes in so many files.
pub(crate) fn bound(total: u64, files: usize) -> u64 {
    let most = SAMPLES.saturating_sub(2 * files as u64).max(LEAST);
    let one_in = total.div_ceil(most).max(SPARSEST);
    u64::MAX / one_in
}

/// Samples a segment's windows, block by block.
pub(crate) fn sample(segment: &[u8], bound: u64) -> Sampled {
    let mut sampled = Sampled::default();
    let (mut block, mut start) = (0, 0);
    let close = |sampled: &mut Sampled, block: usize, start: &mut usize| {
        sampled.hashes[*start..].sort_unstable();
        let mut last = None;
        let mut kept = *start;
        for n in *start..sampled.hashes.len() {
            let hash = sampled.hashes[n];
            if last.replace(hash) != Some(hash) {
                sampled.hashes[kept] = hash;
                kept += 1;
            }
        }
        sampled.hashes.truncate(kept);
        if kept > *start {
            sampled.blocks.push((block as u32, kept as u32));
        }
        *start = kept;
    };
    windows(segment, |end, hash| {
        if hash < bound {
            // A window belongs to the block that it ends in.
            let here = (end - 1) / BLOCK;
            if here > block {
                close(&mut sampled, block, &mut start);
                block = here;
            }
            sampled.hashes.push((hash >> 7) as u32);
        }
    });
    close(&mut sampled, block, &mut start);
    sampled.hashes.shrink_to_fit();
    sampled.blocks.shrink_to_fit();
    sampled
}

/// Stands for a window that only one segment has.
const ALONE: u32 = u32::MAX;

/// What is chosen.
pub(crate) struct Chosen {
    /// For each segment that has some blocks of the base, their numbers, ascending; and each block's worth, by which they are to be ordered.
    pub(crate) blocks: BTreeMap<usize, Vec<(usize, u64)>>,
    /// Of the sampled windows of the first segments, how many the base has, and how many there are.
    pub(crate) covered: (u64, u64),
}

/// Chooses blocks for a base of at most `limit` bytes, and tells how much of the `first` segments it has.
pub(crate) fn choose(mut segments: Vec<Sampled>, limit: usize, first: usize) -> Chosen {
    let mut worths = number(&mut segments);
    let windows = |segment: u32, nth: u32| {
        let of = &segments[segment as usize];
        let start = nth.checked_sub(1).map_or(0, |before| of.blocks[before as usize].1) as usize;
        &of.hashes[start..of.blocks[nth as usize].1 as usize]
    };
    // Of a window that the base has, the worth is 0.
    let worth = |worths: &[u32], segment, nth| {
        let of = windows(segment, nth).iter().filter_map(|id| worths.get(*id as usize));
        // A block has at most 2048 windows, each in fewer segments than there are.
        of.map(|worth| u64::from(*worth)).sum::<u64>()
    };
    let mut all = Vec::new();
    for (segment, of) in (0_u32..).zip(&segments) {
        for nth in 0..of.blocks.len() as u32 {
            let worth = worth(&worths, segment, nth);
            if worth > 0 {
                all.push((worth, Reverse((segment, nth))));
            }
        }
    }
    let mut heap = BinaryHeap::from(all);
    let mut chosen: BTreeMap<usize, Vec<(usize, u64)>> = BTreeMap::new();
    let mut left = limit / BLOCK;
    while left > 0
        && let Some((old, Reverse((segment, nth)))) = heap.pop()
    {
        let now = worth(&worths, segment, nth);
        // What was taken since may have made it worth less than the next.
        if now < old && heap.peek().is_some_and(|(next, _)| *next > now) {
            heap.push((now, Reverse((segment, nth))));
            continue;
        }
        if now == 0 {
            break;
        }
        for id in windows(segment, nth) {
            if let Some(worth) = worths.get_mut(*id as usize) {
                *worth = 0;
            }
        }
        let block = segments[segment as usize].blocks[nth as usize].0;
        chosen.entry(segment as usize).or_default().push((block as usize, now));
        left -= 1;
    }
    for blocks in chosen.values_mut() {
        blocks.sort_unstable();
    }
    let of_first = || segments.iter().take(first).flat_map(|segment| &segment.hashes);
    let in_base = of_first().filter(|id| worths.get(**id as usize) == Some(&0)).count();
    Chosen { blocks: chosen, covered: (in_base as u64, of_first().count() as u64) }
}

/// Gives a number to each window that more than one segment has, in place of its hash; gives in how many others each is.
fn number(segments: &mut [Sampled]) -> Vec<u32> {
    // A hash and a segment that has it, in one number: half of the memory of a map.
    let count = segments.iter().map(|segment| segment.hashes.len()).sum();
    let mut all: Vec<u64> = Vec::with_capacity(count);
    for (number, segment) in (0_u64..).zip(segments.iter()) {
        all.extend(segment.hashes.iter().map(|hash| u64::from(*hash) << 32 | number));
    }
    all.sort_unstable();
    all.dedup();
    let (mut hashes, mut worths) = (Vec::new(), Vec::new());
    for same in all.chunk_by(|a, b| a >> 32 == b >> 32).filter(|same| same.len() > 1) {
        hashes.push((same[0] >> 32) as u32);
        worths.push(same.len() as u32 - 1);
    }
    drop(all);
    // Hashes are evenly spread: where one is can be told from its first bits.
    let starts: Vec<u32> =
        (0..=1_u64 << 16).map(|bits| hashes.partition_point(|hash| u64::from(*hash >> 16) < bits) as u32).collect();
    for hash in segments.iter_mut().flat_map(|segment| &mut segment.hashes) {
        let bits = (*hash >> 16) as usize;
        let (start, end) = (starts[bits] as usize, starts[bits + 1] as usize);
        *hash = hashes[start..end].binary_search(hash).map_or(ALONE, |at| (start + at) as u32);
    }
    worths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_most_segments_share_is_chosen() {
        let noise = |seed: u64, len| {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut next = move || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            };
            (0..len).map(|_| next()).collect::<Vec<u8>>()
        };
        let (in_all, in_two) = (noise(1, BLOCK), noise(2, BLOCK));
        let segments: Vec<Vec<u8>> = (0..5_u64)
            .map(|n| {
                let second = if n < 2 { in_two.clone() } else { noise(10 + n, BLOCK) };
                [noise(20 + n, BLOCK), in_all.clone(), second].concat()
            })
            .collect();
        let sampled = || segments.iter().map(|segment| sample(segment, u64::MAX / 8)).collect::<Vec<_>>();
        let blocks = |limit| {
            choose(sampled(), limit, 0)
                .blocks
                .into_iter()
                .map(|(n, of)| (n, of.iter().map(|of| of.0).collect()))
                .collect::<Vec<(_, Vec<_>)>>()
        };
        assert_eq!(blocks(BLOCK), [(0, vec![1])]);
        assert_eq!(blocks(2 * BLOCK), [(0, vec![1, 2])]);
        // Of the first segment, which has as much noise as each of these, it has the two and not the noise; without a base it has nothing.
        let covered = |limit, first| choose(sampled(), limit, first).covered;
        let ((two, of_two), (one, of_one)) = (covered(2 * BLOCK, 1), covered(BLOCK, 1));
        assert_eq!((of_two, covered(0, 1), covered(BLOCK, 0)), (of_one, (0, of_one), (0, 0)));
        assert!(of_two * 3 / 5 < two && two < of_two * 3 / 4 && of_one / 4 < one && one < two, "{two} {one} {of_one}");
        // The windows that lie across the borders of blocks are shared as well; noise never is.
        assert!(blocks(100 * BLOCK).iter().all(|(n, of)| *n < 2 && !of.contains(&0)), "{:?}", blocks(100 * BLOCK));
    }
}
