//! The first pass: each file's hash, and a sketch by which similar files are known.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sha2::{Digest, Sha256};

use crate::error::show;
use crate::rolling::windows;
use crate::{Error, Node, NodeKind, Tree, parallel};

/// The most hashes of a sketch.
pub(crate) const SKETCH: usize = 64;

/// Bytes that one or more files have.
#[derive(Debug)]
pub(crate) struct Unique {
    /// The tree's key of the first file that has them.
    pub(crate) key: u64,
    /// That file, among the sorted nodes.
    pub(crate) node: usize,
    pub(crate) size: u64,
    /// SHA-256 of each piece of a segment's length.
    pub(crate) pieces: Vec<[u8; 32]>,
    /// The lowest hashes of its windows, ascending.
    pub(crate) sketch: Vec<u32>,
}

/// What all files together have.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) uniques: Vec<Unique>,
    /// For each node, which of the uniques are its bytes.
    pub(crate) of_node: Vec<Option<usize>>,
}

/// Reads every file once.
pub(crate) fn survey(
    tree: &dyn Tree,
    nodes: &[&Node],
    segment: usize,
    threads: usize,
    mut progress: impl FnMut(u64),
) -> Result<Survey, Error> {
    let files: Vec<(usize, u64, u64)> = nodes
        .iter()
        .enumerate()
        .filter_map(|(n, node)| match node.kind {
            NodeKind::File { key, size } if size > 0 => Some((n, key, size)),
            _ => None,
        })
        .collect();
    let mut survey = Survey { uniques: Vec::new(), of_node: vec![None; nodes.len()] };
    let mut known: HashMap<(u64, Vec<[u8; 32]>), usize> = HashMap::new();
    let mut by_key: HashMap<u64, usize> = HashMap::new();
    let mut first: Vec<(usize, u64, u64)> = Vec::new();
    let mut again = Vec::new();
    for &(node, key, size) in &files {
        // Files of one key, such as hard links, are read once.
        match by_key.entry(key) {
            Entry::Vacant(slot) => {
                slot.insert(node);
                first.push((node, key, size));
            }
            Entry::Occupied(slot) => again.push((node, *slot.get())),
        }
    }
    let read = |buffer: &mut Vec<u8>, n: usize| {
        let Some(&(node, key, size)) = first.get(n) else { return Ok(None) };
        let failed = |error| Error::Io(show(&nodes[node].path).into(), error);
        sketch(tree, key, size, segment, buffer).map(|(pieces, sketch)| Some((pieces, sketch))).map_err(failed)
    };
    parallel::ordered(threads, first.len(), Vec::new, read, |n, result| {
        if let (Some((pieces, sketch)), Some(&(node, key, size))) = (result, first.get(n)) {
            let unique = match known.entry((size, pieces.clone())) {
                Entry::Occupied(slot) => *slot.get(),
                Entry::Vacant(slot) => {
                    slot.insert(survey.uniques.len());
                    survey.uniques.push(Unique { key, node, size, pieces, sketch });
                    survey.uniques.len() - 1
                }
            };
            survey.of_node[node] = Some(unique);
            progress(size);
        }
        Ok(())
    })?;
    for (node, other) in again {
        survey.of_node[node] = survey.of_node[other];
    }
    Ok(survey)
}

type Sketched = (Vec<[u8; 32]>, Vec<u32>);

fn sketch(tree: &dyn Tree, key: u64, size: u64, segment: usize, buffer: &mut Vec<u8>) -> std::io::Result<Sketched> {
    let mut pieces = Vec::new();
    let mut lowest = Lowest { hashes: Vec::with_capacity(4 * SKETCH), bound: u32::MAX };
    let mut offset = 0;
    while offset < size {
        let len = usize::try_from(size - offset).map_or(segment, |left| left.min(segment));
        buffer.resize(len, 0);
        tree.read_at(key, offset, buffer)?;
        pieces.push(Sha256::digest(&*buffer).into());
        windows(buffer, |_, hash| lowest.push((hash >> 32) as u32));
        offset += len as u64;
    }
    Ok((pieces, lowest.finish()))
}

/// Keeps the lowest of many numbers.
struct Lowest {
    hashes: Vec<u32>,
    bound: u32,
}

impl Lowest {
    #[inline]
    fn push(&mut self, hash: u32) {
        if hash < self.bound {
            self.hashes.push(hash);
            if self.hashes.len() == 4 * SKETCH {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        self.hashes.truncate(SKETCH);
        if let (SKETCH, Some(last)) = (self.hashes.len(), self.hashes.last()) {
            self.bound = *last;
        }
    }

    fn finish(mut self) -> Vec<u32> {
        self.cut();
        self.hashes.shrink_to_fit();
        self.hashes
    }
}
