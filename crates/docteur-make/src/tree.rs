//! What an image is made of.

use std::io;

use docteur::{Attribute, Time};

/// A path of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Names joined by `/`; empty for the root.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: NodeKind,
    /// Permission bits.
    pub mode: u16,
    /// When it was last changed.
    pub modified: Time,
    /// Extended attributes, in any order.
    pub attributes: Vec<Attribute>,
    /// Paths with the same number are hard links of one file.
    pub link: Option<u64>,
    /// A media type, if it is known better than by the name.
    pub media_type: Option<String>,
}

impl Node {
    /// A root of which nothing is known.
    pub(crate) fn root() -> Self {
        Self {
            path: Vec::new(),
            kind: NodeKind::Directory,
            mode: 0o755,
            modified: Time::default(),
            attributes: Vec::new(),
            link: None,
            media_type: None,
        }
    }
}

/// What a path of a tree is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A folder.
    Directory,
    /// A plain file.
    File {
        /// By what its tree knows its bytes, below 2^63; two files may have the same.
        key: u64,
        /// How many there are.
        size: u64,
    },
    /// A symbolic link, and its target.
    Symlink(Vec<u8>),
}

/// Files and folders with their bytes.
pub trait Tree: Sync {
    /// How many paths there are, with every folder that leads to them. A missing root is made up.
    fn count(&self) -> usize;

    /// The path with a number below that. They may stand in any order, but to put them in that of an image takes memory for all their
    /// names.
    fn node(&self, number: usize) -> Node;

    /// Fills `buffer` with a file's bytes from `offset` on. It is asked for the same bytes three times.
    ///
    /// # Errors
    /// If they cannot be had, or there are fewer.
    fn read_at(&self, key: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}
