//! Very many paths in little memory: about fifty bytes and its name for each.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use docteur::{Attribute, Time};

use crate::error::show;
use crate::{Error, Node, NodeKind};

/// The paths of a tree, of which each folder stands before what is in it.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    all: Vec<Packed>,
    names: Vec<u8>,
    /// Targets of symbolic links, attributes and media types: many paths have few of them.
    targets: Interned<Vec<u8>>,
    attributes: Interned<Vec<Attribute>>,
    media_types: Interned<String>,
    /// The folders that lead to the last path, with the lengths of their paths.
    open: Vec<(u32, usize)>,
    last: Vec<u8>,
}

#[derive(Debug)]
struct Packed {
    /// A file's size.
    size: u64,
    seconds: i64,
    nanoseconds: u32,
    /// The folder that it is in; [`TOP`] for the root and what is in it.
    parent: u32,
    /// Where its name begins.
    name: u32,
    /// A file's key, or a symbolic link's target.
    of: u32,
    /// These are one more than a number; 0 for none.
    link: u32,
    attributes: u32,
    media_type: u16,
    mode: u16,
    name_len: u8,
    kind: Is,
}

/// The parent of what needs none.
const TOP: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
enum Is {
    Directory,
    File,
    Symlink,
}

impl Nodes {
    /// Adds a path. Its folder is the root, or was added before and holds the last path that was; keys are below 2^32.
    ///
    /// # Errors
    /// [`Error::Parent`] if it is not so; [`Error::TooMuch`], [`Error::Path`].
    pub(crate) fn push(&mut self, node: Node) -> Result<(), Error> {
        let here = number("the number of paths", self.all.len())?;
        let slash = node.path.iter().rposition(|b| *b == b'/');
        let (folder, name) = match slash {
            Some(slash) => (node.path.get(..slash).unwrap_or_default(), node.path.get(slash + 1..).unwrap_or_default()),
            None => (&b""[..], &node.path[..]),
        };
        while let Some((_, len)) = self.open.last()
            && (*len != folder.len() || self.last.get(..*len) != Some(folder))
        {
            self.open.pop();
        }
        let parent = match self.open.last() {
            Some((parent, _)) => *parent,
            None if folder.is_empty() => TOP,
            None => return Err(Error::Parent(show(&node.path))),
        };
        let name_len = u8::try_from(name.len()).map_err(|_| Error::Path(show(&node.path)))?;
        let name_at = number("the length of all names", self.names.len())?;
        self.names.extend_from_slice(name);
        let (kind, size, of) = match node.kind {
            NodeKind::Directory => (Is::Directory, 0, 0),
            NodeKind::File { key, size } => (Is::File, size, number("the number of files", key as usize)?),
            NodeKind::Symlink(target) => (Is::Symlink, 0, self.targets.number(target)?),
        };
        let link = match node.link {
            Some(link) => number("the number of hard links", link as usize)? + 1,
            None => 0,
        };
        let attributes = if node.attributes.is_empty() { 0 } else { self.attributes.number(node.attributes)? + 1 };
        let media_type = match node.media_type {
            Some(text) => self.media_types.number(text)? + 1,
            None => 0,
        };
        let media_type = u16::try_from(media_type);
        let media_type =
            media_type.map_err(|_| Error::TooMuch { what: "the number of media types", limit: u16::MAX.into() })?;
        let Time { seconds, nanoseconds } = node.modified;
        let mode = node.mode;
        self.all.push(Packed {
            size,
            seconds,
            nanoseconds,
            parent,
            name: name_at,
            of,
            link,
            attributes,
            media_type,
            mode,
            name_len,
            kind,
        });
        if matches!(kind, Is::Directory) && !node.path.is_empty() {
            self.open.push((here, node.path.len()));
        }
        self.last = node.path;
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The name with this number and all that lead to it.
    pub(crate) fn path(&self, number: usize) -> Vec<u8> {
        let (mut names, mut here) = (Vec::new(), self.all.get(number));
        while let Some(node) = here {
            names.push(self.name(node));
            here = self.all.get(node.parent as usize).filter(|_| node.parent != TOP);
        }
        names.reverse();
        names.join(&b'/')
    }

    /// The path with this number as it was added. There is none of a number that was not given: then it is an empty root.
    pub(crate) fn node(&self, number: usize) -> Node {
        let Some(packed) = self.all.get(number) else { return Node::root() };
        let kind = match packed.kind {
            Is::Directory => NodeKind::Directory,
            Is::File => NodeKind::File { key: packed.of.into(), size: packed.size },
            Is::Symlink => NodeKind::Symlink(self.targets.value(packed.of).cloned().unwrap_or_default()),
        };
        let one_less = |number: u32| number.checked_sub(1);
        Node {
            path: self.path(number),
            kind,
            mode: packed.mode,
            modified: Time { seconds: packed.seconds, nanoseconds: packed.nanoseconds },
            attributes: one_less(packed.attributes).and_then(|n| self.attributes.value(n)).cloned().unwrap_or_default(),
            link: one_less(packed.link).map(u64::from),
            media_type: one_less(packed.media_type.into()).and_then(|n| self.media_types.value(n)).cloned(),
        }
    }

    fn name(&self, node: &Packed) -> &[u8] {
        let start = node.name as usize;
        self.names.get(start..start + usize::from(node.name_len)).unwrap_or_default()
    }
}

fn number(what: &'static str, value: usize) -> Result<u32, Error> {
    let sound = u32::try_from(value).ok().filter(|number| *number < TOP);
    sound.ok_or(Error::TooMuch { what, limit: TOP.into() })
}

/// Values, each once.
#[derive(Debug)]
struct Interned<T> {
    values: Vec<Arc<T>>,
    numbers: HashMap<Arc<T>, u32>,
}

impl<T: Eq + Hash> Interned<T> {
    fn number(&mut self, value: T) -> Result<u32, Error> {
        if let Some(known) = self.numbers.get(&value) {
            return Ok(*known);
        }
        let next = number("the number of different values", self.values.len())?;
        let value = Arc::new(value);
        self.values.push(Arc::clone(&value));
        self.numbers.insert(value, next);
        Ok(next)
    }

    fn value(&self, number: u32) -> Option<&T> {
        self.values.get(number as usize).map(Arc::as_ref)
    }
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { values: Vec::new(), numbers: HashMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(path: &str, kind: NodeKind) -> Node {
        let modified = Time { seconds: -5, nanoseconds: path.len() as u32 };
        Node { path: path.into(), kind, mode: 0o640, modified, attributes: Vec::new(), link: None, media_type: None }
    }

    #[test]
    fn paths_come_back_as_they_were() {
        let note = vec![Attribute { name: b"user.a".to_vec(), value: b"b".to_vec() }];
        let file = |path: &str, key| node(path, NodeKind::File { key, size: u64::MAX >> key });
        let folder = |path: &str| node(path, NodeKind::Directory);
        for root in [true, false] {
            let mut all = vec![
                folder("a"),
                folder("a/b"),
                Node { attributes: note.clone(), link: Some(0), ..file("a/b/c", 0) },
                file("a/bc", 1),
                Node { link: Some(7), ..node("a/link", NodeKind::Symlink(b"to".to_vec())) },
                folder("ab"),
                Node { media_type: Some("text/x".into()), attributes: note.clone(), ..file("ab/a", 2) },
                node("z", NodeKind::Symlink(b"to".to_vec())),
            ];
            if root {
                all.insert(0, folder(""));
            }
            let mut nodes = Nodes::default();
            all.iter().for_each(|node| nodes.push(node.clone()).unwrap());
            assert_eq!(nodes.len(), all.len());
            for (number, node) in all.iter().enumerate() {
                assert_eq!(&nodes.node(number), node);
            }
            for orphan in ["a/x", "ab/a/x", "no/where"] {
                assert!(matches!(nodes.push(file(orphan, 3)), Err(Error::Parent(_))), "{orphan}");
            }
            assert!(matches!(nodes.push(file(&"n".repeat(256), 3)), Err(Error::Path(_))));
        }
    }
}
