//! What is different between two images.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::io;

use docteur::layout::order;
use docteur::{Cache, Content, Entry, Image, Kind, Source, Walk};
use sha2::{Digest, Sha256};

/// A path that is not the same in two images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the second has it.
    Added(Vec<u8>),
    /// Only the first has it.
    Removed(Vec<u8>),
    /// Both have it, and this is different: `kind`, `content`, `target`, `mode`, `time`, `attributes`, `type`, `link` (of what it is
    /// a hard link), `encodings` (which there are, and their bytes).
    Changed(Vec<u8>, Vec<&'static str>),
}

/// Why two images could not be compared: one of them is damaged or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The first.
    #[error("the first image: {0}")]
    First(#[source] docteur::Error<io::Error>),
    /// The second.
    #[error("the second image: {0}")]
    Second(#[source] docteur::Error<io::Error>),
}

/// Calls `found` with each difference, by the order of paths. Both images are checked before, whole, by [`Image::verify`], so that there
/// is no answer about one that is damaged where they do not differ. Contents and encodings are compared byte by byte, unless one root names
/// both images. Memory grows with the groups of hard links alone, by some 80 bytes each.
///
/// # Errors
/// [`Unread`].
pub fn diff<A: Source<Error = io::Error>, B: Source<Error = io::Error>>(
    a: &Image<A>,
    b: &Image<B>,
    mut found: impl FnMut(Change),
) -> Result<(), Unread> {
    let mut caches = (Cache::new(8 << 20), Cache::new(8 << 20));
    a.verify(&mut caches.0, |_, _| {}).map_err(Unread::First)?;
    b.verify(&mut caches.1, |_, _| {}).map_err(Unread::Second)?;
    if a.root() == b.root() {
        return Ok(());
    }
    let (mut walk_a, mut walk_b) = (Walk::new(), Walk::new());
    let mut links = (Links::default(), Links::default());
    let mut of_a = walk_a.next(a, &mut caches.0).map_err(Unread::First)?;
    let mut of_b = walk_b.next(b, &mut caches.1).map_err(Unread::Second)?;
    loop {
        let first = match (&of_a, &of_b) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => order(&a.path, &b.path),
        };
        let link_a = of_a.as_ref().filter(|_| first != Ordering::Greater).and_then(|entry| links.0.first(entry));
        let link_b = of_b.as_ref().filter(|_| first != Ordering::Less).and_then(|entry| links.1.first(entry));
        match (first, of_a.as_ref(), of_b.as_ref()) {
            (Ordering::Less, Some(gone), _) => found(Change::Removed(gone.path.clone())),
            (Ordering::Greater, _, Some(new)) => found(Change::Added(new.path.clone())),
            (_, Some(old), Some(new)) => {
                let mut what = about(old, new);
                if let (Kind::File(of_old), Kind::File(of_new)) = (&old.kind, &new.kind) {
                    if !same(a, b, &mut caches, of_old, of_new)? {
                        what.insert(0, "content");
                    }
                    if !same_encodings(a, b, &mut caches, old, new)? {
                        what.push("encodings");
                    }
                }
                if link_a != link_b {
                    what.push("link");
                }
                if !what.is_empty() {
                    found(Change::Changed(new.path.clone(), what));
                }
            }
            _ => {}
        }
        if first != Ordering::Greater {
            of_a = walk_a.next(a, &mut caches.0).map_err(Unread::First)?;
        }
        if first != Ordering::Less {
            of_b = walk_b.next(b, &mut caches.1).map_err(Unread::Second)?;
        }
    }
}

/// SHA-256 of the first path of each group of hard links: the numbers of groups are an image's own, and paths are long.
#[derive(Default)]
struct Links(HashMap<u64, [u8; 32]>);

impl Links {
    fn first(&mut self, entry: &Entry) -> Option<[u8; 32]> {
        Some(*self.0.entry(entry.link?).or_insert_with(|| Sha256::digest(&entry.path).into()))
    }
}

fn about(a: &Entry, b: &Entry) -> Vec<&'static str> {
    let kind = match (&a.kind, &b.kind) {
        (Kind::Directory, Kind::Directory) | (Kind::File(_), Kind::File(_)) => None,
        (Kind::Symlink(a), Kind::Symlink(b)) => (a != b).then_some("target"),
        _ => Some("kind"),
    };
    let rest = [
        ("mode", a.mode != b.mode),
        ("time", a.modified != b.modified),
        ("attributes", a.attributes != b.attributes),
        ("type", a.media_type != b.media_type),
    ];
    kind.into_iter().chain(rest.into_iter().filter(|(_, different)| *different).map(|(what, _)| what)).collect()
}

fn same_encodings<A: Source<Error = io::Error>, B: Source<Error = io::Error>>(
    a: &Image<A>,
    b: &Image<B>,
    caches: &mut (Cache, Cache),
    of_a: &Entry,
    of_b: &Entry,
) -> Result<bool, Unread> {
    if of_a.encodings.len() != of_b.encodings.len() {
        return Ok(false);
    }
    for ((which_a, in_a), (which_b, in_b)) in of_a.encodings.iter().zip(&of_b.encodings) {
        if which_a != which_b || !same(a, b, caches, in_a, in_b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn same<A: Source<Error = io::Error>, B: Source<Error = io::Error>>(
    a: &Image<A>,
    b: &Image<B>,
    caches: &mut (Cache, Cache),
    of_a: &Content,
    of_b: &Content,
) -> Result<bool, Unread> {
    if of_a.size != of_b.size {
        return Ok(false);
    }
    let mut offset = 0;
    while offset < of_a.size {
        let left = a.piece_of(&mut caches.0, of_a, offset, 1 << 20).map_err(Unread::First)?;
        let right = b.piece_of(&mut caches.1, of_b, offset, left.len()).map_err(Unread::Second)?;
        if !left.starts_with(right) {
            return Ok(false);
        }
        offset += right.len() as u64;
    }
    Ok(true)
}
