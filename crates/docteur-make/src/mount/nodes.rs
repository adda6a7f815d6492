//! What the kernel holds: inodes and open folders.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use docteur::{Entry, Kind, Time};
use sha2::{Digest, Sha256};

/// The number of the root's inode.
const ROOT: u64 = 1;

/// What is kept of an entry: not its attributes, which may be long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) mode: u16,
    pub(super) modified: Time,
    pub(super) link: Option<u64>,
}

impl From<Entry> for Node {
    fn from(entry: Entry) -> Self {
        let Entry { path, kind, mode, modified, link, .. } = entry;
        Self { path, kind, mode, modified, link }
    }
}

impl Node {
    /// Whether it may stand for the other: it is the same path, or another hard link of the same file.
    fn is(&self, other: &Self) -> bool {
        match (self.link, other.link) {
            (Some(mine), Some(its)) => mine == its && self.kind == other.kind,
            _ => self.path == other.path,
        }
    }
}

/// The number of an entry's inode.
pub(super) fn number(path: &[u8], link: Option<u64>) -> u64 {
    if path.is_empty() {
        return ROOT;
    }
    let hash = match link {
        Some(link) => Sha256::new().chain_update(b"link\0").chain_update(link.to_le_bytes()).finalize(),
        None => Sha256::new().chain_update(b"path\0").chain_update(path).finalize(),
    };
    let number = hash.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    // 0 is no number, and the root has its own.
    number.max(ROOT + 1)
}

/// Inodes by number.
#[derive(Debug, Default)]
pub(super) struct Nodes(HashMap<u64, (Node, u64)>);

impl Nodes {
    pub(super) fn get(&self, ino: u64) -> Option<&Node> {
        self.0.get(&ino).map(|(node, _)| node)
    }

    /// The kernel holds the root without having looked it up, for ever.
    pub(super) fn keep_root(&mut self, root: Node) {
        self.0.insert(ROOT, (root, 1));
    }

    /// Counts a look-up; false if the number is another's.
    pub(super) fn hold(&mut self, ino: u64, node: Node) -> bool {
        let (known, lookups) = self.0.entry(ino).or_insert_with(|| (node.clone(), 0));
        let same = known.is(&node);
        if same {
            *lookups += 1;
        }
        same
    }

    pub(super) fn forget(&mut self, ino: u64, lookups: u64) {
        if ino == ROOT {
            return;
        }
        if let Some((_, held)) = self.0.get_mut(&ino) {
            *held = held.saturating_sub(lookups);
            if *held == 0 {
                self.0.remove(&ino);
            }
        }
    }
}

/// What is open, by handle.
#[derive(Debug)]
pub(super) struct Handles<T> {
    last: u64,
    open: HashMap<u64, T>,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self { last: 0, open: HashMap::new() }
    }
}

impl<T> Handles<T> {
    pub(super) fn put(&mut self, value: T) -> u64 {
        self.last += 1;
        self.open.insert(self.last, value);
        self.last
    }

    pub(super) fn get(&mut self, handle: u64) -> Option<&mut T> {
        self.open.get_mut(&handle)
    }

    pub(super) fn take(&mut self, handle: u64) {
        self.open.remove(&handle);
    }
}

/// What a mutex holds, also after a thread that held it panicked: each change here is one step.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(path: &[u8], link: Option<u64>) -> Node {
        Node { path: path.to_vec(), kind: Kind::Directory, mode: 0, modified: Time::default(), link }
    }

    #[test]
    fn numbers_are_of_paths_and_of_what_links_share() {
        assert_eq!(number(b"", None), ROOT);
        assert_ne!(number(b"a", None), number(b"b", None));
        assert_eq!(number(b"a", Some(7)), number(b"b", Some(7)));
        assert_ne!(number(b"a", Some(7)), number(b"a", Some(8)));
    }

    #[test]
    fn what_is_forgotten_as_often_as_held_is_gone() {
        let mut nodes = Nodes::default();
        assert!(nodes.hold(9, node(b"a", None)) && nodes.hold(9, node(b"a", None)));
        assert!(!nodes.hold(9, node(b"b", None)), "another path");
        nodes.forget(9, 1);
        assert!(nodes.get(9).is_some());
        nodes.forget(9, 1);
        assert!(nodes.get(9).is_none());
        assert!(nodes.hold(9, node(b"b", Some(4))) && nodes.hold(9, node(b"c", Some(4))));
        assert!(!nodes.hold(9, node(b"c", Some(5))));
    }
}
