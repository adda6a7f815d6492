//! Images of a few files in memory.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::path::Path;

use docteur::Time;
use docteur::layout::{is_media_type, is_path};

use crate::error::show;
use crate::{Error, Node, NodeKind, Options, Tree, make};

/// Collects files, then gives the image of a site: with media types and ready-made encodings.
#[derive(Debug, Default)]
pub struct Writer {
    files: BTreeMap<Vec<u8>, (String, Vec<u8>)>,
}

struct InMemory {
    nodes: Vec<Node>,
    contents: Vec<Vec<u8>>,
}

impl Writer {
    /// An image without files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file: names joined by `/`, with or without one in front. The folders that lead to it are made. The order of calls does
    /// not matter.
    ///
    /// # Errors
    /// If the path or the media type is malformed, or the path is there already.
    pub fn add(&mut self, path: &str, media_type: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let path = path.strip_prefix('/').unwrap_or(path).as_bytes();
        if path.is_empty() || !is_path(path) {
            return Err(Error::Path(show(path)));
        }
        if !is_media_type(media_type) {
            return Err(Error::MediaType(media_type.into()));
        }
        if self.files.insert(path.to_vec(), (media_type.into(), bytes)).is_some() {
            return Err(Error::Twice(show(path)));
        }
        Ok(())
    }

    /// The image's bytes. Each file gets the encodings that make it smaller.
    ///
    /// # Errors
    /// If a file stands where a folder has to, or an encoder fails.
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        let mut nodes = BTreeMap::new();
        let mut contents = Vec::new();
        for (path, (media_type, bytes)) in self.files {
            for slash in path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at) {
                let folder = path.get(..slash).unwrap_or_default().to_vec();
                let node = node(folder.clone(), NodeKind::Directory, 0o755, None);
                if nodes.insert(folder.clone(), node).is_some_and(|old| old.kind != NodeKind::Directory) {
                    return Err(Error::Twice(show(&folder)));
                }
            }
            let kind = NodeKind::File { key: contents.len() as u64, size: bytes.len() as u64 };
            contents.push(bytes);
            nodes.insert(path.clone(), node(path, kind, 0o644, Some(media_type)));
        }
        let tree = InMemory { nodes: nodes.into_values().collect(), contents };
        let mut out = Cursor::new(Vec::new());
        make(&tree, &Options::site(), &mut out, Path::new("the image"), |_| {})?;
        Ok(out.into_inner())
    }
}

impl Tree for InMemory {
    fn count(&self) -> usize {
        self.nodes.len()
    }

    fn node(&self, number: usize) -> Node {
        self.nodes.get(number).cloned().unwrap_or_else(Node::root)
    }

    fn read_at(&self, key: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(key).ok().and_then(|key| self.contents.get(key));
        let from = from.and_then(|bytes| bytes.get(usize::try_from(offset).ok()?..)?.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

fn node(path: Vec<u8>, kind: NodeKind, mode: u16, media_type: Option<String>) -> Node {
    Node { path, kind, mode, modified: Time::default(), attributes: Vec::new(), link: None, media_type }
}
