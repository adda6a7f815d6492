//! How long files are: the medians, which nobody should have to measure by hand.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::Tree;

/// The most that half of all files may have, in lines.
const MEDIAN: usize = 200;

/// Half of the workspace's files are shorter than [`MEDIAN`].
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let median = median(tree.sources().map(|(_, text)| text.lines().count()).collect());
    let long =
        (median >= MEDIAN).then(|| Finding::new(".", 0, format!("half of all files have {median} lines or more")));
    long.into_iter().collect()
}

/// Prints the median length of each crate's files.
pub(super) fn print(tree: &Tree) {
    let mut crates: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (file, text) in tree.sources() {
        let mut parts = file.split('/');
        let room = match (parts.next(), parts.next()) {
            (Some("crates"), Some(name)) => name,
            (Some(name), _) => name,
            (None, _) => continue,
        };
        crates.entry(room).or_default().push(text.lines().count());
    }
    println!("    lines a file: median, longest, files");
    for (room, lines) in crates {
        let (longest, files) = (lines.iter().max().copied().unwrap_or_default(), lines.len());
        println!("    {room:<18} {:>5} {longest:>5} {files:>5}", median(lines));
    }
}

fn median(mut lines: Vec<usize>) -> usize {
    lines.sort_unstable();
    lines.get(lines.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_found_when_they_are_the_rule() {
        let (short, long) = ("\n".repeat(10), "\n".repeat(300));
        assert_eq!(check(&Tree::of([("a.rs", &short), ("b.rs", &short), ("c.rs", &long)])), []);
        assert_eq!(check(&Tree::of([("a.rs", &short), ("b.rs", &long), ("c.rs", &long)])).len(), 1);
    }
}
