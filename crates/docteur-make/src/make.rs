//! Building an image, from a tree to the superblock.

use std::collections::{BTreeMap, HashMap};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use docteur::layout::{MAX_METADATA, SUPERBLOCK, Stored, Superblock};
use docteur::{Content, Encoding, Entry, FileSource, Image, Kind, Source, Time};

use crate::encode::{self, Packer};
use crate::everything::Everything;
use crate::index::{self, Index};
use crate::pack::{Packed, classes, one_class, pack};
use crate::parallel::Room;
use crate::survey::{Survey, survey};
use crate::verify::Links;
use crate::{
    Classes, Error, Node, NodeKind, Options, Profile, Times, Tree, arrange, base, media_type, parallel, reuse,
};

/// Input below this gets no base: a base would be most of the image.
const ENOUGH: u64 = 16 << 20;
/// The least part of the input that the base may be.
const SHARE: u64 = 8;
/// Short files get short segments if the base has so many quarters of their windows; where it has less, a short segment costs what its
/// neighbours would have spared it.
const COVERED: u64 = 3;
/// Bytes of memory that building takes in any case, and for each path, with a name of middling length.
const PROGRAM: u64 = 32 << 20;
const PATH: u64 = 180;

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
    /// No more than so many threads will compress, since no more fit the memory.
    Fitting(usize),
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
/// are still wanted, unless they are longer than both 8 MiB and what the options say. So what did not change is not compressed again; it is
/// decoded once, to know it. The image is somewhat larger than one that is made anew, and a function of the tree, the options and the older
/// image. What is taken over is so as a whole: contents that the tree does not have any more may still be in the image's bytes.
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
    let metadata = options.metadata.write();
    if metadata.len() > MAX_METADATA as usize {
        return Err(Error::TooMuch { what: "the length of the metadata", limit: MAX_METADATA.into() });
    }
    if let Some(old) = old {
        // A segment that is taken over must not be longer than those of which a long file has many. Each thread has one in memory, so an
        // older image may ask for no more than a profile does.
        let longest = Options::profile(Profile::Max).segment;
        options.segment = options.segment.max(old.superblock().segment_max.min(longest));
    }
    let mut all = Everything::sorted(tree)?;
    let room = Room { threads: options.threads, bytes: options.memory }.without(PROGRAM + PATH * all.paths() as u64);
    let segment = options.segment as usize;
    if options.web {
        all.encode(room, segment)?;
    }
    // A thread has a segment's bytes, and few of what it makes of them.
    let readers = room.fitting(2 * segment as u64);
    let mut survey = survey(&all, segment, readers, |n| progress(Stage::Survey(n)))?;
    all.hold_encodings(&survey)?;
    let total: u64 = survey.uniques.iter().map(|unique| unique.size).sum();
    progress(Stage::Arrange(total));
    let mut order = order(&mut survey, &all, options.arrange);
    let mut reuse = old.map(|old| reuse::reuse(old, &survey)).transpose()?.unwrap_or_default();
    order.retain(|unique| reuse.place(*unique as usize).is_none());
    let has_base = old.map_or(total >= ENOUGH && options.base > 0, |old| old.superblock().base.len > 0);
    let mut packed = if has_base && options.arrange && options.classes != Classes::Never {
        pack(&survey.uniques, &order, &classes(segment))?
    } else {
        pack(&survey.uniques, &order, &[one_class(segment)])?
    };
    let base = match old {
        Some(old) => reuse::text(&old.superblock().base, &reuse.base)?,
        None if has_base => {
            let work = Work { all: &all, survey: &survey, packed: &packed, options: &options, room, readers };
            let (base, (in_base, of_short)) = work.base(total, &mut progress)?;
            if options.classes == Classes::Covered && in_base * 4 < of_short * COVERED {
                packed = pack(&survey.uniques, &order, &[one_class(segment)])?;
            }
            base
        }
        None => Vec::new(),
    };
    drop(order);
    let work = Work { all: &all, survey: &survey, packed: &packed, options: &options, room, readers };

    let failed = |error| Error::Io(place.to_path_buf(), error);
    out.write_all(&[0; SUPERBLOCK]).map_err(failed)?;
    let (base_piece, base_bytes) = match old {
        Some(old) => (old.superblock().base, std::mem::take(&mut reuse.base)),
        None if base.is_empty() => (index::nothing(), Vec::new()),
        // Its tables are large, and are given back before there are those of segments.
        None => Packer::new(options.level)?.alone(&base)?,
    };
    out.write_all(&base_bytes).map_err(failed)?;
    drop(base_bytes);
    let mut superblock = Superblock {
        entries: all.paths() as u64,
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
    let dictionary = encode::Dictionary::new(&base, &options);
    let threads = work.threads(&dictionary, total)?;
    if threads < options.threads.min(packed.len()) {
        progress(Stage::Fitting(threads));
    }
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
    work.compress(&dictionary, threads, sink)?;
    drop(dictionary);
    let mut packer = Packer::new(options.level)?;

    let place_of = |unique: usize| match (reuse.place(unique), packed.places[unique]) {
        (Some(content), _) => content,
        (None, new) => Content { segment: new.segment + reuse.segments.len() as u32, ..new },
    };
    let (links, mut linked) = (links(&all), Links::default());
    let mut index = Index::default();
    for number in 0..all.paths() {
        let node = all.node(number);
        let link = node.link.and_then(|link| links.get(&link).copied());
        let mut entry = entry(node, &options, survey.of(number).map(place_of), |which| {
            all.encoded(number, which).and_then(|file| survey.of(file)).map(place_of)
        });
        entry.link = link;
        linked.check(&entry)?;
        if let Kind::File(content) = &entry.kind {
            superblock.bytes = superblock.bytes.saturating_add(content.size);
        }
        index.push(&entry, &mut packer)?;
    }
    index.close(&mut packer)?;
    superblock.blocks_stored = index.bytes.len() as u64;
    superblock.block_max = index.longest;
    let table = index::table(&segments, superblock.segments_at(), &mut index.head);
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
    all: &'a Everything<'a>,
    survey: &'a Survey,
    packed: &'a Packed,
    options: &'a Options,
    room: Room,
    /// How many threads only read.
    readers: usize,
}

impl Work<'_> {
    fn read(&self, number: usize, buffer: &mut Vec<u8>) -> Result<(), Error> {
        self.packed.read(number, self.all, self.survey, buffer)
    }

    /// The second pass: the base, and how much it has of the short segments: so many of their sampled windows.
    fn base(&self, total: u64, progress: &mut impl FnMut(Stage)) -> Result<(Vec<u8>, (u64, u64)), Error> {
        let limit = u64::from(self.options.base).min(total / SHARE) as usize;
        if limit < base::BLOCK {
            return Ok(Default::default());
        }
        let bound = base::bound(total, self.survey.uniques.len());
        let mut sampled = Vec::with_capacity(self.packed.len());
        let work = |buffer: &mut Vec<u8>, n: usize| {
            self.read(n, buffer)?;
            Ok::<_, Error>((base::sample(buffer, bound), buffer.len()))
        };
        parallel::ordered(self.readers, self.packed.len(), Vec::new, work, |_, (of, len)| {
            sampled.push(of);
            progress(Stage::Base(len as u64));
            Ok(())
        })?;
        let chosen = base::choose(sampled, limit, self.packed.short);
        let mut buffer = Vec::new();
        // Blocks that stand side by side stay so; what is worth most comes last, where distances are short.
        let mut runs: Vec<(u64, usize, Vec<u8>)> = Vec::new();
        for (segment, blocks) in &chosen.blocks {
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
        Ok((runs.into_iter().flat_map(|(_, _, text)| text).collect(), chosen.covered))
    }

    /// How many threads compress.
    fn threads(&self, dictionary: &encode::Dictionary<'_>, total: u64) -> Result<usize, Error> {
        let threads = self.room.threads.min(self.packed.len());
        if threads < 2 {
            return Ok(1);
        }
        let longest = usize::try_from(total).map_or(self.survey.segment, |total| total.min(self.survey.segment));
        let each = dictionary.bytes_a_thread(longest, self.options.level)?;
        Ok(Room { threads, ..self.room }.without(dictionary.bytes()).fitting(each))
    }

    /// The third pass.
    fn compress(
        &self,
        dictionary: &encode::Dictionary<'_>,
        threads: usize,
        mut sink: impl FnMut(Stored, Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let context = || (Vec::new(), encode::SegmentPacker::new(dictionary, self.options.level));
        let work = |(buffer, packer): &mut (Vec<u8>, Result<encode::SegmentPacker<'_>, Error>), n: usize| {
            self.read(n, buffer)?;
            match packer {
                Ok(packer) => packer.segment(buffer),
                Err(error) => Err(Error::Io("zstd".into(), std::io::Error::other(error.to_string()))),
            }
        };
        parallel::ordered(threads, self.packed.len(), context, work, |_, (piece, bytes)| sink(piece, bytes))
    }
}

/// Contents in the order in which they are packed; encodings, which no neighbour makes smaller, are last.
fn order(survey: &mut Survey, all: &Everything<'_>, alike: bool) -> Vec<u32> {
    let uniques = &survey.uniques;
    let is_encoding = |n: u32| uniques[n as usize].file as usize >= all.paths();
    let mut by_rank: Vec<u32> = (0..uniques.len() as u32).collect();
    if !alike {
        by_rank.sort_unstable_by_key(|n| uniques[*n as usize].file);
        return by_rank;
    }
    let mut extensions: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    let mut of: Vec<u32> = Vec::with_capacity(uniques.len());
    for unique in uniques {
        let path = all.path(unique.file as usize);
        let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
        let extension = name.iter().rposition(|b| *b == b'.').map_or(&b""[..], |dot| &name[dot..]);
        let next = extensions.len() as u32;
        of.push(match extensions.get(extension) {
            Some(known) => *known,
            None => *extensions.entry(extension.to_vec()).or_insert(next),
        });
    }
    // From numbers by their first appearance to numbers by their order.
    let mut ranks = vec![0; extensions.len()];
    (0..).zip(extensions.values()).for_each(|(rank, number): (u32, _)| ranks[*number as usize] = rank);
    by_rank.sort_unstable_by_key(|n| (is_encoding(*n), ranks[of[*n as usize] as usize], uniques[*n as usize].file));
    let mut fallback = of;
    (0..).zip(&by_rank).for_each(|(rank, n): (u32, _)| fallback[*n as usize] = rank);
    drop(by_rank);
    let mut order = arrange::arrange(std::mem::take(&mut survey.sketches), survey.sketch, &fallback);
    order.sort_by_key(|n| is_encoding(*n));
    order
}

fn entry(
    node: Node,
    options: &Options,
    place: Option<Content>,
    encoded: impl Fn(Encoding) -> Option<Content>,
) -> Entry {
    let mut attributes = if options.attributes { node.attributes } else { Vec::new() };
    attributes.sort();
    let kind = match node.kind {
        NodeKind::Directory => Kind::Directory,
        NodeKind::File { .. } => Kind::File(place.unwrap_or_default()),
        NodeKind::Symlink(target) => Kind::Symlink(target),
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
    let media_type = node.media_type.filter(|_| is_file).or_else(|| (options.web && is_file).then(by_name));
    let encodings = Encoding::ALL.into_iter().skip(1).filter_map(|which| Some((which, encoded(which)?))).collect();
    Entry { path: node.path, kind, mode, modified, attributes, link: None, media_type, encodings }
}

/// New numbers for groups of hard links, by their order; one path alone is no group.
fn links(all: &Everything<'_>) -> HashMap<u64, u64> {
    let mut counts: HashMap<u64, u32> = HashMap::new();
    let nodes = || (0..all.paths()).map(|number| all.node(number));
    let linked = || nodes().filter(|node| node.kind != NodeKind::Directory).filter_map(|node| node.link);
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
