//! Building an image, from a tree to the superblock.

use std::collections::{BTreeMap, HashMap};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use docteur::layout::{
    self, MAX_ATTRIBUTES, MAX_METADATA, MAX_PATH, SUPERBLOCK, Stored, Superblock, is_media_type, is_path,
};
use docteur::{Content, Encoding, Entry, FileSource, Folders, Image, Kind, Source, Time};

use crate::encode::{self, Packer};
use crate::error::show;
use crate::index::{self, Index};
use crate::pack::{Packed, classes, one_class, pack};
use crate::survey::{Survey, Unique, survey};
use crate::{Error, Node, NodeKind, Options, Times, Tree, arrange, base, media_type, parallel, reuse};

/// Input below this gets no base: a base would be most of the image.
const ENOUGH: u64 = 16 << 20;
/// The least part of the input that the base may be.
const SHARE: u64 = 8;
/// The longest file that gets ready-made encodings, which are made in memory.
const ENCODED: u64 = 64 << 20;

/// An image that was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// The hash that stands for it.
    pub root: [u8; 32],
    /// What is in it.
    pub superblock: Superblock,
}

/// What is being done, with how much of it is done: bytes of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Files are read for the first time.
    Survey(u64),
    /// Files are put in order; the total of different bytes.
    Arrange(u64),
    /// The base is chosen.
    Base(u64),
    /// Segments are compressed.
    Compress(u64),
}

/// Builds the image of a tree and writes it to `out`, whose position has to be its beginning. `place` names `out` in errors.
///
/// # Errors
/// [`Error`]. What was written then is no image.
pub fn make(
    tree: &dyn Tree,
    options: &Options,
    out: &mut (impl Write + Seek),
    place: &Path,
    progress: impl FnMut(Stage),
) -> Result<Made, Error> {
    build::<FileSource>(tree, None, options, out, place, progress)
}

/// Builds an image as [`make`] does, out of what an older image has already: its base, and its segments of which at least three quarters
/// are still wanted. So what did not change is not compressed again; it is decoded once, to know it. The image is somewhat larger than one
/// that is made anew, and a function of the tree, the options and the older image.
///
/// # Errors
/// As [`make`]; [`Error::Image`] if the older image is damaged where it is read.
pub fn append<S: Source<Error = std::io::Error>>(
    tree: &dyn Tree,
    old: &Image<S>,
    options: &Options,
    out: &mut (impl Write + Seek),
    place: &Path,
    progress: impl FnMut(Stage),
) -> Result<Made, Error> {
    build(tree, Some(old), options, out, place, progress)
}

fn build<S: Source<Error = std::io::Error>>(
    tree: &dyn Tree,
    old: Option<&Image<S>>,
    options: &Options,
    out: &mut (impl Write + Seek),
    place: &Path,
    mut progress: impl FnMut(Stage),
) -> Result<Made, Error> {
    let mut options = options.checked();
    if let Some(old) = old {
        // A segment that is taken over must not be longer than those of which a long file has many.
        options.segment = options.segment.max(old.superblock().segment_max);
    }
    let root = root();
    let nodes = sorted(tree, &root)?;
    let mut encodings = Encodings::default();
    if options.web {
        encodings = encodings_of(tree, &nodes, &options)?;
    }
    let all = Everything { tree, encoded: &encodings.contents };
    let mut nodes_and_encodings = nodes.clone();
    nodes_and_encodings.extend(&encodings.nodes);

    let segment = options.segment as usize;
    let survey = survey(&all, &nodes_and_encodings, segment, options.threads, |n| progress(Stage::Survey(n)))?;
    let total: u64 = survey.uniques.iter().map(|unique| unique.size).sum();
    progress(Stage::Arrange(total));
    let mut order = order(&survey, &nodes_and_encodings, nodes.len(), options.arrange);
    let reuse = old.map(|old| reuse::reuse(old, &survey.uniques, segment)).transpose()?.unwrap_or_default();
    order.retain(|unique| !reuse.places.contains_key(unique));
    let has_base = old.map_or(total >= ENOUGH && options.base > 0, |old| old.superblock().base.len > 0);
    let packed = if has_base && options.arrange {
        pack(&survey.uniques, &order, &classes(segment))?
    } else {
        pack(&survey.uniques, &order, &[one_class(segment)])?
    };
    let work = Work { tree: &all, nodes: &nodes_and_encodings, survey: &survey, packed: &packed, options: &options };
    let base = match old {
        Some(old) => reuse::text(&old.superblock().base, &reuse.base)?,
        None if has_base => work.base(total, &mut progress)?,
        None => Vec::new(),
    };

    let failed = |error| Error::Io(place.to_path_buf(), error);
    out.write_all(&[0; SUPERBLOCK]).map_err(failed)?;
    let mut packer = Packer::new(options.level)?;
    let (base_piece, base_bytes) = match old {
        Some(old) => (old.superblock().base, reuse.base),
        None if base.is_empty() => (index::nothing(), Vec::new()),
        None => packer.alone(&base)?,
    };
    out.write_all(&base_bytes).map_err(failed)?;
    let mut superblock = Superblock {
        entries: nodes.len() as u64,
        bytes: 0,
        base: base_piece,
        segments: segment_count(&reuse.segments, &packed)?,
        segments_stored: 0,
        segment_max: 0,
        blocks_stored: 0,
        block_max: 0,
        metadata: index::nothing(),
        head: index::nothing(),
    };
    let mut segments = Vec::with_capacity(superblock.segments as usize);
    let mut sink = |piece: Stored, bytes: Vec<u8>| {
        superblock.segments_stored += u64::from(piece.stored);
        superblock.segment_max = superblock.segment_max.max(piece.len);
        segments.push(piece);
        progress(Stage::Compress(u64::from(piece.len)));
        out.write_all(&bytes).map_err(failed)
    };
    if let Some(old) = old {
        reuse.segments.iter().try_for_each(|(piece, at)| sink(*piece, reuse::piece(old, piece, *at)?))?;
    }
    work.compress(&base, sink)?;

    let place_of = |unique: usize| match (reuse.places.get(&unique), packed.places[unique]) {
        (Some(content), _) => *content,
        (None, new) => Content { segment: new.segment + reuse.segments.len() as u32, ..new },
    };
    let links = links(&nodes);
    let mut index = Index::default();
    for (n, node) in nodes.iter().enumerate() {
        let mut entry = entry(node, &options, survey.of_node[n].map(place_of), |which| {
            encodings.of(n, which).and_then(|node| survey.of_node[node]).map(place_of)
        })?;
        entry.link = node.link.and_then(|link| links.get(&link).copied());
        if let Kind::File(content) = &entry.kind {
            superblock.bytes = superblock.bytes.saturating_add(content.size);
        }
        index.push(&entry, &mut packer)?;
    }
    index.close(&mut packer)?;
    superblock.blocks_stored = index.bytes.len() as u64;
    superblock.block_max = index.longest;
    let table = index::table(&segments, superblock.segments_at(), &mut index.head);
    let metadata = options.metadata.write();
    if metadata.len() > MAX_METADATA as usize {
        return Err(Error::TooMuch { what: "the length of the metadata", limit: MAX_METADATA.into() });
    }
    let (metadata_piece, metadata_bytes) = packer.alone(&metadata)?;
    superblock.metadata = metadata_piece;
    let (head_piece, head_bytes) = index::head(&index.head, superblock.pages_at(), &mut packer)?;
    superblock.head = head_piece;
    for bytes in [&table, &index.bytes, &metadata_bytes, &head_bytes] {
        out.write_all(bytes).map_err(failed)?;
    }
    let (bytes, root) = superblock.write();
    out.seek(SeekFrom::Start(0)).and_then(|_| out.write_all(&bytes)).map_err(failed)?;
    out.seek(SeekFrom::End(0)).and_then(|_| out.flush()).map_err(failed)?;
    Ok(Made { root, superblock })
}

fn segment_count(taken_over: &[(Stored, u64)], packed: &Packed) -> Result<u32, Error> {
    let what = "the number of segments";
    u32::try_from(taken_over.len() + packed.len()).map_err(|_| Error::TooMuch { what, limit: u64::from(u32::MAX) })
}

/// What the passes over segments need.
struct Work<'a> {
    tree: &'a dyn Tree,
    nodes: &'a [&'a Node],
    survey: &'a Survey,
    packed: &'a Packed,
    options: &'a Options,
}

impl Work<'_> {
    fn read(&self, number: usize, buffer: &mut Vec<u8>) -> Result<(), Error> {
        self.packed.read(number, self.tree, &self.survey.uniques, self.nodes, buffer)
    }

    /// The second pass.
    fn base(&self, total: u64, progress: &mut impl FnMut(Stage)) -> Result<Vec<u8>, Error> {
        let limit = u64::from(self.options.base).min(total / SHARE) as usize;
        if limit < base::BLOCK {
            return Ok(Vec::new());
        }
        let bound = base::bound(total);
        let mut sampled = Vec::with_capacity(self.packed.len());
        let work = |buffer: &mut Vec<u8>, n: usize| {
            self.read(n, buffer)?;
            Ok::<_, Error>((base::sample(buffer, bound), buffer.len()))
        };
        parallel::ordered(self.options.threads, self.packed.len(), Vec::new, work, |_, (of, len)| {
            sampled.push(of);
            progress(Stage::Base(len as u64));
            Ok(())
        })?;
        let chosen = base::choose(&sampled, limit);
        drop(sampled);
        let mut buffer = Vec::new();
        // Blocks that stand side by side stay so; what is worth most comes last, where distances are short.
        let mut runs: Vec<(u64, usize, Vec<u8>)> = Vec::new();
        for (segment, blocks) in &chosen {
            self.read(*segment, &mut buffer)?;
            let mut next = None;
            for (block, worth) in blocks {
                let start = block * base::BLOCK;
                let text = buffer.get(start..buffer.len().min(start + base::BLOCK)).unwrap_or_default();
                match runs.last_mut() {
                    Some((most, _, run)) if next == Some(*block) => {
                        *most = (*most).max(*worth);
                        run.extend_from_slice(text);
                    }
                    _ => runs.push((*worth, runs.len(), text.to_vec())),
                }
                next = Some(block + 1);
            }
        }
        runs.sort();
        Ok(runs.into_iter().flat_map(|(_, _, text)| text).collect())
    }

    /// The third pass.
    fn compress(&self, base: &[u8], mut sink: impl FnMut(Stored, Vec<u8>) -> Result<(), Error>) -> Result<(), Error> {
        let dictionary = encode::Dictionary::new(base, self.options.level);
        let context = || (Vec::new(), encode::SegmentPacker::new(&dictionary, self.options.level));
        let work = |(buffer, packer): &mut (Vec<u8>, Result<encode::SegmentPacker<'_>, Error>), n: usize| {
            self.read(n, buffer)?;
            match packer {
                Ok(packer) => packer.segment(buffer),
                Err(error) => Err(Error::Io("zstd".into(), std::io::Error::other(error.to_string()))),
            }
        };
        parallel::ordered(self.options.threads, self.packed.len(), context, work, |_, (piece, bytes)| {
            sink(piece, bytes)
        })
    }
}

fn root() -> Node {
    Node {
        path: Vec::new(),
        kind: NodeKind::Directory,
        mode: 0o755,
        modified: Time::default(),
        attributes: Vec::new(),
        link: None,
        media_type: None,
    }
}

/// All nodes by the image's order, the root first; each is fit for an image.
fn sorted<'a>(tree: &'a dyn Tree, root: &'a Node) -> Result<Vec<&'a Node>, Error> {
    let mut nodes: Vec<&Node> = tree.nodes().iter().collect();
    nodes.sort_by(|a, b| layout::order(&a.path, &b.path));
    if nodes.first().is_none_or(|first| !first.path.is_empty()) {
        nodes.insert(0, root);
    }
    if let Some(pair) = nodes.windows(2).find(|pair| pair[0].path == pair[1].path) {
        return Err(Error::Twice(show(&pair[0].path)));
    }
    let mut folders = Folders::default();
    for node in &nodes {
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
            return Err(Error::Path(show(target)));
        }
        if let Some(text) = node.media_type.as_deref().filter(|text| !is_media_type(text)) {
            return Err(Error::MediaType(text.into()));
        }
    }
    Ok(nodes)
}

/// Contents in the order in which they are packed; encodings, which no neighbour makes smaller, are last.
fn order(survey: &Survey, nodes: &[&Node], own: usize, alike: bool) -> Vec<usize> {
    let uniques = &survey.uniques;
    let rank = |unique: &Unique| {
        let path = &nodes[unique.node].path;
        let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
        let extension = name.iter().rposition(|b| *b == b'.').map_or(&b""[..], |dot| &name[dot..]);
        (unique.node >= own, extension.to_vec(), unique.node)
    };
    let mut by_rank: Vec<usize> = (0..uniques.len()).collect();
    if !alike {
        by_rank.sort_by_key(|n| uniques[*n].node);
        return by_rank;
    }
    by_rank.sort_by_cached_key(|n| rank(&uniques[*n]));
    let mut ranks = vec![0; uniques.len()];
    for (rank, n) in by_rank.iter().enumerate() {
        ranks[*n] = rank;
    }
    let mut order = arrange::arrange(uniques, &ranks);
    order.sort_by_key(|n| uniques[*n].node >= own);
    order
}

fn entry(
    node: &Node,
    options: &Options,
    place: Option<Content>,
    encoded: impl Fn(Encoding) -> Option<Content>,
) -> Result<Entry, Error> {
    let mut attributes = if options.attributes { node.attributes.clone() } else { Vec::new() };
    attributes.sort();
    let kind = match &node.kind {
        NodeKind::Directory => Kind::Directory,
        NodeKind::File { .. } => Kind::File(place.unwrap_or_default()),
        NodeKind::Symlink(target) => Kind::Symlink(target.clone()),
    };
    let is_file = matches!(kind, Kind::File(_));
    let plain = match kind {
        Kind::File(_) if node.mode & 0o100 == 0 => 0o644,
        Kind::Symlink(_) => 0o777,
        _ => 0o755,
    };
    let mode = if options.modes { node.mode & 0o7777 } else { plain };
    let modified = match options.times {
        Times::Own => node.modified,
        Times::NotAfter(seconds) => node.modified.min(Time { seconds, nanoseconds: 0 }),
        Times::All(seconds) => Time { seconds, nanoseconds: 0 },
    };
    let by_name = || media_type(std::str::from_utf8(&node.path).unwrap_or_default()).to_owned();
    let known = node.media_type.clone().filter(|_| is_file);
    let media_type = known.or_else(|| (options.web && is_file).then(by_name));
    let encodings = Encoding::ALL.into_iter().skip(1).filter_map(|which| Some((which, encoded(which)?))).collect();
    Ok(Entry { path: node.path.clone(), kind, mode, modified, attributes, link: None, media_type, encodings })
}

/// New numbers for groups of hard links, by their order; one path alone is no group.
fn links(nodes: &[&Node]) -> HashMap<u64, u64> {
    let mut counts: HashMap<u64, u32> = HashMap::new();
    let linked = || nodes.iter().filter(|node| node.kind != NodeKind::Directory).filter_map(|node| node.link);
    for link in linked() {
        *counts.entry(link).or_default() += 1;
    }
    let mut numbers = HashMap::new();
    for link in linked().filter(|link| counts.get(link).is_some_and(|count| *count > 1)) {
        let next = numbers.len() as u64;
        numbers.entry(link).or_insert(next);
    }
    numbers
}

/// Ready-made encodings, as nodes beside the tree's own.
#[derive(Default)]
struct Encodings {
    nodes: Vec<Node>,
    contents: Vec<Vec<u8>>,
    /// The node of a file's encoding, among all nodes.
    of: BTreeMap<(usize, Encoding), usize>,
}

impl Encodings {
    fn of(&self, node: usize, encoding: Encoding) -> Option<usize> {
        self.of.get(&(node, encoding)).copied()
    }
}

fn encodings_of(tree: &dyn Tree, nodes: &[&Node], options: &Options) -> Result<Encodings, Error> {
    let mut encodings = Encodings::default();
    let work = |(): &mut (), n: usize| {
        let mut made = Vec::new();
        let Some(NodeKind::File { key, size: size @ 1..=ENCODED }) = nodes.get(n).map(|node| &node.kind) else {
            return Ok::<_, Error>(made);
        };
        let failed = |error| Error::Io(show(&nodes[n].path).into(), error);
        let mut bytes = vec![0; *size as usize];
        tree.read_at(*key, 0, &mut bytes).map_err(failed)?;
        for encoding in Encoding::ALL.into_iter().skip(1) {
            let encoded = encode::encode(encoding, &bytes).map_err(failed)?;
            if encoded.len() < bytes.len() {
                made.push((encoding, encoded));
            }
        }
        Ok(made)
    };
    parallel::ordered(
        options.threads,
        nodes.len(),
        || (),
        work,
        |n, made| {
            for (encoding, bytes) in made {
                let kind = NodeKind::File { key: OURS | encodings.contents.len() as u64, size: bytes.len() as u64 };
                encodings.of.insert((n, encoding), nodes.len() + encodings.nodes.len());
                encodings.nodes.push(Node { path: nodes[n].path.clone(), kind, ..root() });
                encodings.contents.push(bytes);
            }
            Ok(())
        },
    )?;
    Ok(encodings)
}

/// Marks keys of encodings.
const OURS: u64 = 1 << 63;

/// A tree, and encodings of its files.
struct Everything<'a> {
    tree: &'a dyn Tree,
    encoded: &'a [Vec<u8>],
}

impl Tree for Everything<'_> {
    fn nodes(&self) -> &[Node] {
        self.tree.nodes()
    }

    fn read_at(&self, key: u64, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        if key & OURS == 0 {
            return self.tree.read_at(key, offset, buffer);
        }
        let from = self.encoded.get((key & !OURS) as usize).and_then(|bytes| bytes.get(offset as usize..));
        let from = from.and_then(|bytes| bytes.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
