//! Choosing the base: the text that most segments share.
//!
//! A segment is seen as the set of its sampled windows. A block of 2 KiB is worth, for each of its windows that the base does not have
//! yet, the number of other segments that have it too. The most valuable block is taken, again and again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use crate::rolling::windows;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 2048;
/// The most sampled windows of a whole input, by which memory is bounded.
const SAMPLES: u64 = 12 << 20;
/// On average one window in so many is sampled, at least.
const SPARSEST: u64 = 64;

/// A block's sampled windows.
#[derive(Debug, Default)]
pub(crate) struct Sampled {
    /// For each block of a segment, where its hashes end.
    ends: Vec<u32>,
    hashes: Vec<u32>,
}

/// What windows are sampled in an input of so many bytes.
pub(crate) fn bound(total: u64) -> u64 {
    let one_in = total.div_ceil(SAMPLES).max(SPARSEST);
    u64::MAX / one_in
}

/// Samples a segment's windows, block by block.
pub(crate) fn sample(segment: &[u8], bound: u64) -> Sampled {
    let mut sampled = Sampled::default();
    let mut block = 0;
    let mut start = 0;
    let close = |sampled: &mut Sampled, start: &mut usize| {
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
        *start = kept;
        sampled.ends.push(kept as u32);
    };
    windows(segment, |end, hash| {
        // A window belongs to the block that it ends in.
        while (end - 1) / BLOCK > block {
            close(&mut sampled, &mut start);
            block += 1;
        }
        if hash < bound {
            sampled.hashes.push((hash >> 7) as u32);
        }
    });
    while sampled.ends.len() < segment.len().div_ceil(BLOCK) {
        close(&mut sampled, &mut start);
    }
    sampled
}

/// Chooses blocks for a base of at most `limit` bytes: for each segment that has some, their numbers, ascending; and
/// each block's worth, by which they are to be ordered.
pub(crate) fn choose(segments: &[Sampled], limit: usize) -> BTreeMap<usize, Vec<(usize, u64)>> {
    let mut ids: HashMap<u32, u32> = HashMap::new();
    // How many segments have it, and the last that was counted.
    let mut counts: Vec<(u32, u32)> = Vec::new();
    for (n, segment) in segments.iter().enumerate() {
        for hash in &segment.hashes {
            let id = *ids.entry(*hash).or_insert_with(|| {
                counts.push((0, u32::MAX));
                counts.len() as u32 - 1
            });
            let count = &mut counts[id as usize];
            if count.1 != n as u32 {
                *count = (count.0 + 1, n as u32);
            }
        }
    }
    let mut covered = vec![false; counts.len()];
    let windows = |segment: usize, block: usize| {
        let of = &segments[segment];
        let start = block.checked_sub(1).map_or(0, |before| of.ends[before]) as usize;
        &of.hashes[start..of.ends[block] as usize]
    };
    let worth = |covered: &[bool], segment: usize, block: usize| -> u64 {
        let ids = windows(segment, block).iter().filter_map(|hash| ids.get(hash));
        ids.filter(|id| !covered[**id as usize]).map(|id| u64::from(counts[*id as usize].0 - 1)).sum()
    };
    let mut heap = BinaryHeap::new();
    for (segment, of) in segments.iter().enumerate() {
        for block in 0..of.ends.len() {
            let worth = worth(&covered, segment, block);
            if worth > 0 {
                heap.push((worth, Reverse((segment, block))));
            }
        }
    }
    let mut chosen: BTreeMap<usize, Vec<(usize, u64)>> = BTreeMap::new();
    let mut left = limit / BLOCK;
    while left > 0
        && let Some((old, Reverse((segment, block)))) = heap.pop()
    {
        let now = worth(&covered, segment, block);
        // What was taken since may have made it worth less than the next.
        if now < old && heap.peek().is_some_and(|(next, _)| *next > now) {
            heap.push((now, Reverse((segment, block))));
            continue;
        }
        if now == 0 {
            break;
        }
        for hash in windows(segment, block) {
            if let Some(id) = ids.get(hash) {
                covered[*id as usize] = true;
            }
        }
        chosen.entry(segment).or_default().push((block, now));
        left -= 1;
    }
    for blocks in chosen.values_mut() {
        blocks.sort_unstable();
    }
    chosen
}
