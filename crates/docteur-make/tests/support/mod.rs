//! Trees in memory, and text to fill them with.
#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) mod repository;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Cursor};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use docteur::{Attribute, Cache, Codec, Image, Limits, Source, Time, Walk};
use docteur_make::{Node, NodeKind, Options, Tree, append, make};

/// An image in memory, read as files are.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Source for Bytes<'_> {
    type Error = io::Error;

    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let from = self.0.get(offset as usize..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct InMemory {
    pub(crate) nodes: Vec<Node>,
    pub(crate) contents: Vec<Vec<u8>>,
}

impl Tree for InMemory {
    fn count(&self) -> usize {
        self.nodes.len()
    }

    fn node(&self, number: usize) -> Node {
        self.nodes[number].clone()
    }

    fn read_at(&self, key: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let from = self.contents[key as usize].get(offset as usize..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl InMemory {
    pub(crate) fn add(&mut self, mut node: Node, bytes: Vec<u8>) {
        node.kind = NodeKind::File { key: self.contents.len() as u64, size: bytes.len() as u64 };
        self.contents.push(bytes);
        self.nodes.push(node);
    }

    /// Adds a path with its folders, unless something is in the way.
    pub(crate) fn grow(&mut self, path: &[u8], kind: u8, len: usize, seed: u64, time: i64, mode: u16) {
        let known =
            |nodes: &[Node], path: &[u8]| nodes.iter().find(|node| node.path == path).map(|node| node.kind.clone());
        for slash in (0..path.len()).filter(|at| path[*at] == b'/') {
            match known(&self.nodes, &path[..slash]) {
                None => self.nodes.push(directory(&path[..slash])),
                Some(NodeKind::Directory) => {}
                Some(_) => return,
            }
        }
        if known(&self.nodes, path).is_some() {
            return;
        }
        let modified = Time { seconds: time, nanoseconds: (seed * 31) as u32 };
        let node = Node { mode, modified, ..file(path) };
        match kind {
            0 => self.nodes.push(Node { kind: NodeKind::Directory, ..node }),
            1 => self.nodes.push(Node { kind: NodeKind::Symlink(text(seed, 1 + len % 50)), ..node }),
            _ => self.add(node, text(seed, len)),
        }
    }

    pub(crate) fn map(&self) -> BTreeMap<Vec<u8>, (Node, Option<Vec<u8>>)> {
        let root = directory(b"");
        let all = self.nodes.iter().chain([&root]).map(|node| {
            let bytes = match node.kind {
                NodeKind::File { key, .. } => Some(self.contents[key as usize].clone()),
                _ => None,
            };
            (node.path.clone(), (node.clone(), bytes))
        });
        all.collect()
    }
}

pub(crate) fn folder(path: &[u8]) -> Option<&[u8]> {
    (!path.is_empty()).then(|| path.iter().rposition(|b| *b == b'/').map_or(&b""[..], |slash| &path[..slash]))
}

pub(crate) fn file(path: &[u8]) -> Node {
    let modified = Time { seconds: 1_700_000_000, nanoseconds: 5 };
    let kind = NodeKind::File { key: 0, size: 0 };
    Node { path: path.to_vec(), kind, mode: 0o644, modified, attributes: Vec::new(), link: None, media_type: None }
}

pub(crate) fn directory(path: &[u8]) -> Node {
    Node { kind: NodeKind::Directory, mode: 0o755, modified: Time::default(), ..file(path) }
}

/// One of each kind.
pub(crate) fn small() -> InMemory {
    let mut tree = InMemory::default();
    tree.add(file(b"hello"), b"hello, hello, hello, hello, hello\n".repeat(9));
    tree.add(file(b"noise"), noise(1, 90));
    tree.nodes.push(directory(b"docs"));
    tree.add(Node { media_type: Some("text/html".into()), ..file(b"docs/index.html") }, text(2, 900));
    tree.add(Node { mode: 0o755, ..file(b"docs/run\xff") }, Vec::new());
    let attributes = vec![Attribute { name: b"user.note".to_vec(), value: b"a value".to_vec() }];
    tree.add(Node { attributes, link: Some(40), ..file(b"docs/a") }, text(3, 5_000));
    let twin = Node { path: b"docs/b".to_vec(), ..tree.nodes.last().unwrap().clone() };
    tree.nodes.push(twin);
    tree.nodes.push(Node { kind: NodeKind::Symlink(b"docs/a".to_vec()), mode: 0o777, ..file(b"link") });
    tree
}

pub(crate) fn build(tree: &InMemory, options: &Options) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    make(tree, options, &mut out, Path::new("memory"), |_| {}).unwrap();
    out.into_inner()
}

/// A small image with all that an image can have: a base, which only much input gets, so it is an older image's; ready-made encodings, hard
/// links, segments with and without the base.
pub(crate) fn with_a_base() -> Vec<u8> {
    let options = Options { segment: 4096, base: 4096, level: 3, web: true, threads: 2, ..Options::default() };
    let (shared, mut much) = (text(3, 4_000), InMemory::default());
    for n in 0..4_200_u64 {
        much.add(file(format!("{n}").as_bytes()), [&shared[..], n.to_string().as_bytes()].concat());
    }
    let old = build(&much, &Options { web: false, ..options.clone() });
    let old = Image::open(Bytes(&old), &Limits::default()).unwrap();
    let mut out = Cursor::new(Vec::new());
    append(&small(), &old, &options, &mut out, Path::new("memory"), |_| {}).unwrap();
    let bytes = out.into_inner();
    let image = Image::open(Bytes(&bytes), &Limits::default()).unwrap();
    let (mut cache, mut walk, mut links, mut encodings) = (Cache::new(0), Walk::new(), 0, 0);
    while let Some(entry) = walk.next(&image, &mut cache).unwrap() {
        links += usize::from(entry.link.is_some());
        encodings += entry.encodings.len();
    }
    let codec = |segment| image.segment(&mut Cache::new(0), segment).unwrap().0.codec;
    let codecs: Vec<Codec> = (0..image.superblock().segments).map(codec).collect();
    assert!(image.superblock().base.len > 0 && codecs.contains(&Codec::ZstdBase), "{codecs:?}");
    assert!(links == 2 && encodings > 3, "{links} links and {encodings} encodings");
    bytes
}

/// A folder with one of everything.
pub(crate) fn fill(folder: &Path) {
    fs::create_dir_all(folder.join("deep/er/.hidden")).unwrap();
    fs::create_dir(folder.join("empty")).unwrap();
    fs::write(folder.join("deep/file"), text(1, 9_000)).unwrap();
    fs::write(folder.join("deep/twin"), text(1, 9_000)).unwrap();
    fs::write(folder.join("deep/er/nothing"), b"").unwrap();
    fs::write(folder.join(OsStr::from_bytes(b"\xff\n")), text(2, 100)).unwrap();
    fs::write(folder.join("run"), b"#!/bin/sh\n").unwrap();
    fs::set_permissions(folder.join("run"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::hard_link(folder.join("deep/file"), folder.join("hard")).unwrap();
    symlink("deep/../nowhere", folder.join("soft")).unwrap();
    symlink(".", folder.join("loop")).unwrap();
    for (path, time) in [("deep/file", 5), ("run", 2_000_000_000), ("deep", 77)] {
        let time = UNIX_EPOCH + Duration::new(time, 123);
        File::open(folder.join(path)).unwrap().set_modified(time).unwrap();
    }
}

fn generator(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % below
    }
}

/// Words, of which there are few.
pub(crate) fn text(seed: u64, len: usize) -> Vec<u8> {
    const WORDS: [&str; 12] = [
        "struct ", "impl ", "<a href=", "</a>\n", "trait ", "fn ", "the ", "of ", "section ", "bytes ", "value ",
        "error ",
    ];
    let mut random = generator(seed);
    let mut out = Vec::new();
    while out.len() < len {
        out.extend_from_slice(WORDS[random(12)].as_bytes());
        if random(4) == 0 {
            out.extend_from_slice(random(100_000).to_string().as_bytes());
        }
    }
    out.truncate(len);
    out
}

/// Bytes that nothing makes smaller.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut random = generator(seed ^ 0xABCD);
    (0..len).map(|_| random(256) as u8).collect()
}
