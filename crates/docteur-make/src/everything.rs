//! All that an image is made of, in its order: a tree's paths, and the ready-made encodings of its files.

use std::collections::BTreeMap;

use docteur::layout::{self, MAX_ATTRIBUTES, MAX_PATH, is_media_type, is_path};
use docteur::{Encoding, Folders};
use sha2::{Digest, Sha256};

use crate::error::show;
use crate::parallel::Room;
use crate::spill::Spill;
use crate::survey::{Hash, Survey};
use crate::{Error, Node, NodeKind, Tree, encode, parallel};

/// The longest file that gets ready-made encodings, which are made in memory.
const ENCODED: u64 = 64 << 20;
/// Marks keys of encodings.
const OURS: u64 = 1 << 63;

/// Files have numbers: first the tree's paths in the image's order, then encodings.
pub(crate) struct Everything<'a> {
    tree: &'a dyn Tree,
    /// The tree's numbers, if they are in another order.
    order: Option<Vec<u32>>,
    /// The tree has no root, so that there is one more path than it has.
    rootless: bool,
    encodings: Encodings,
}

#[derive(Default)]
struct Encodings {
    /// Of which path each is, where its bytes are, and how many.
    all: Vec<(usize, u64, u64)>,
    bytes: Spill,
    of: BTreeMap<(usize, Encoding), usize>,
    /// Hashes of the pieces of what was encoded, for each path that has an encoding.
    seen: Vec<(usize, Vec<Hash>)>,
}

impl<'a> Everything<'a> {
    /// All paths by the image's order; each is fit for an image.
    pub(crate) fn sorted(tree: &'a dyn Tree) -> Result<Self, Error> {
        let limit = u64::from(u32::MAX);
        let count = tree.count();
        u32::try_from(count).map_err(|_| Error::TooMuch { what: "the number of paths", limit })?;
        let mut all = Self { tree, order: None, rootless: false, encodings: Encodings::default() };
        let mut before: Option<Vec<u8>> = None;
        let in_order = (0..count).all(|number| {
            let path = tree.node(number).path;
            let follows = before.as_ref().is_none_or(|before| layout::order(before, &path).is_lt());
            before = Some(path);
            follows
        });
        if !in_order {
            let mut paths: Vec<(Vec<u8>, u32)> = (0..count).map(|n| (tree.node(n).path, n as u32)).collect();
            paths.sort_by(|a, b| layout::order(&a.0, &b.0));
            all.order = Some(paths.into_iter().map(|(_, number)| number).collect());
        }
        all.rootless = count == 0 || !all.of_tree(0).path.is_empty();
        all.check()?;
        Ok(all)
    }

    fn check(&self) -> Result<(), Error> {
        let (mut folders, mut before) = (Folders::default(), None);
        for number in 0..self.paths() {
            let node = self.node(number);
            if before.as_ref() == Some(&node.path) {
                return Err(Error::Twice(show(&node.path)));
            }
            if !is_path(&node.path) {
                return Err(Error::Path(show(&node.path)));
            }
            if !folders.enter(&node.path, node.kind == NodeKind::Directory) {
                return Err(Error::Parent(show(&node.path)));
            }
            let bytes: usize = node.attributes.iter().map(|a| a.name.len() + a.value.len()).sum();
            if bytes > MAX_ATTRIBUTES {
                let what = "the length of a path's extended attributes";
                return Err(Error::TooMuch { what, limit: MAX_ATTRIBUTES as u64 });
            }
            if let NodeKind::Symlink(target) = &node.kind
                && (target.is_empty() || target.len() > MAX_PATH || target.contains(&0))
            {
                return Err(Error::Target(show(&node.path)));
            }
            if let Some(text) = node.media_type.as_deref().filter(|text| !is_media_type(text)) {
                return Err(Error::MediaType(text.into()));
            }
            before = Some(node.path);
        }
        Ok(())
    }

    /// Makes the encodings that a web site's files have. Pieces are those of the survey, to which
    /// [`Everything::hold_encodings`] holds what was read for them.
    pub(crate) fn encode(&mut self, room: Room, piece: usize) -> Result<(), Error> {
        let mut encodings = Encodings::default();
        let work = |(): &mut (), n: usize| {
            let mut made = Vec::new();
            let NodeKind::File { key, size: size @ 1..=ENCODED } = self.node(n).kind else {
                return Ok::<_, Error>((Vec::new(), made));
            };
            let failed = |error| Error::read(&self.path(n), error);
            let mut bytes = vec![0; size as usize];
            self.tree.read_at(key, 0, &mut bytes).map_err(failed)?;
            for encoding in Encoding::ALL.into_iter().skip(1) {
                let encoded = encode::encode(encoding, &bytes).map_err(failed)?;
                if encoded.len() < bytes.len() {
                    made.push((encoding, encoded));
                }
            }
            Ok((bytes.chunks(piece).map(|piece| Sha256::digest(piece).into()).collect(), made))
        };
        let weight = |n| match self.node(n).kind {
            NodeKind::File { size: size @ 1..=ENCODED, .. } => encode::memory(size),
            _ => 0,
        };
        parallel::bounded(
            room,
            self.paths(),
            weight,
            || (),
            work,
            |n, (pieces, made)| {
                if !made.is_empty() {
                    encodings.seen.push((n, pieces));
                }
                for (encoding, bytes) in made {
                    let at = encodings.bytes.push(&bytes)?;
                    encodings.of.insert((n, encoding), self.paths() + encodings.all.len());
                    encodings.all.push((n, at, bytes.len() as u64));
                }
                Ok(())
            },
        )?;
        self.encodings = encodings;
        Ok(())
    }

    /// An encoding of other bytes than the survey's would be another page for some clients.
    ///
    /// # Errors
    /// [`Error::Changed`].
    pub(crate) fn hold_encodings(&self, survey: &Survey) -> Result<(), Error> {
        for (path, pieces) in &self.encodings.seen {
            let unique = survey.of(*path).and_then(|unique| survey.uniques.get(unique));
            if unique.map(|unique| survey.pieces_of(unique)).transpose()?.as_ref() != Some(pieces) {
                return Err(Error::Changed(show(&self.path(*path))));
            }
        }
        Ok(())
    }

    /// How many paths the image has.
    pub(crate) fn paths(&self) -> usize {
        self.tree.count() + usize::from(self.rootless)
    }

    /// How many numbers there are.
    pub(crate) fn count(&self) -> usize {
        self.paths() + self.encodings.all.len()
    }

    /// The path with a number below [`Everything::paths`].
    pub(crate) fn node(&self, number: usize) -> Node {
        match number.checked_sub(usize::from(self.rootless)) {
            Some(number) => self.of_tree(number),
            None => Node::root(),
        }
    }

    fn of_tree(&self, number: usize) -> Node {
        let number = match &self.order {
            Some(order) => order.get(number).map_or(0, |number| *number as usize),
            None => number,
        };
        self.tree.node(number)
    }

    /// The path of a file, or that of which it is an encoding.
    pub(crate) fn path(&self, number: usize) -> Vec<u8> {
        self.node(self.encoding(number).map_or(number, |(of, ..)| of)).path
    }

    /// By what a file's bytes are known, and how many there are.
    pub(crate) fn file(&self, number: usize) -> Option<(u64, u64)> {
        if let Some((_, _, size)) = self.encoding(number) {
            return Some((OURS | number as u64, size));
        }
        match self.node(number).kind {
            NodeKind::File { key, size } => Some((key, size)),
            _ => None,
        }
    }

    /// The number of a path's encoding.
    pub(crate) fn encoded(&self, path: usize, encoding: Encoding) -> Option<usize> {
        self.encodings.of.get(&(path, encoding)).copied()
    }

    fn encoding(&self, number: usize) -> Option<(usize, u64, u64)> {
        self.encodings.all.get(number.checked_sub(self.paths())?).copied()
    }

    /// Fills `buffer` with a file's bytes from `offset` on.
    pub(crate) fn read_at(&self, key: u64, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        if key & OURS == 0 {
            return self.tree.read_at(key, offset, buffer);
        }
        let (_, at, _) = self.encoding((key & !OURS) as usize).ok_or(std::io::ErrorKind::NotFound)?;
        self.encodings.bytes.read_at(at + offset, buffer)
    }
}
