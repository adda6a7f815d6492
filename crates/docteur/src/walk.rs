//! Going through an index: everything, or a folder's entries.

use alloc::vec::Vec;

use crate::cache::Cache;
use crate::image::image;
use crate::layout::{Content, Entry, Kind, Records, State};
use crate::{Defect, Error, Image, Source};

/// A place in an image's index. It keeps no block: the cache does.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    block: usize,
    state: State,
}

/// The entries of one folder, without what is in folders below it.
#[derive(Clone, Debug)]
pub struct List {
    walk: Walk,
    /// The folder's path and a slash, or nothing for the root.
    prefix: Vec<u8>,
    /// Where to go on: nothing before it is wanted.
    from: Vec<u8>,
}

impl Walk {
    /// Before the first entry, which is the root.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next entry, in the order of [`order`]; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Source`], or [`Error::Image`] if a block of the index is damaged, or does not hold what the head says.
    pub fn next<S: Source>(&mut self, image: &Image<S>, cache: &mut Cache) -> Result<Option<Entry>, Error<S::Error>> {
        self.step(image, cache, |records| records.read().map(Some))
    }

    /// Goes on from here to the first entry that is not before `path`.
    fn seek<S: Source>(
        &mut self,
        image: &Image<S>,
        cache: &mut Cache,
        path: &[u8],
    ) -> Result<Option<Entry>, Error<S::Error>> {
        if let Some(block) = image.head().block_of(path).filter(|block| *block > self.block) {
            (self.block, self.state) = (block, State::default());
        }
        self.step(image, cache, |records| records.seek(path))
    }

    /// Takes steps, block after block, until one gives an entry. A step's `None` is damage.
    fn step<S: Source>(
        &mut self,
        from: &Image<S>,
        cache: &mut Cache,
        step: impl Fn(&mut Records<'_>) -> Option<Option<Entry>>,
    ) -> Result<Option<Entry>, Error<S::Error>> {
        while let Some(block) = from.head().blocks().get(self.block) {
            let (bytes, at) = from.block(cache, self.block)?;
            let mut records = Records::resume(bytes, core::mem::take(&mut self.state));
            if !records.is_empty() {
                let found = step(&mut records).ok_or(image(Defect::Record, at))?;
                let misplaced = records.entries() == 1 && records.last_path() != from.head().path(self.block);
                if misplaced || records.entries() > block.entries {
                    return Err(image(Defect::Record, at));
                }
                if found.is_some() {
                    self.state = records.into_state();
                    return Ok(found);
                }
            }
            if records.entries() != block.entries {
                return Err(image(Defect::Record, at));
            }
            self.block += 1;
        }
        Ok(None)
    }
}

impl List {
    /// Before the first entry of the folder at `path`. A path that is no folder has no entries.
    #[must_use]
    pub fn new(path: &[u8]) -> Self {
        let mut prefix = path.to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        // Every name is after this one.
        let mut from = prefix.clone();
        from.push(1);
        Self { walk: Walk::new(), prefix, from }
    }

    /// The next entry of the folder; `None` after the last.
    ///
    /// # Errors
    /// As [`Walk::next`].
    pub fn next<S: Source>(&mut self, image: &Image<S>, cache: &mut Cache) -> Result<Option<Entry>, Error<S::Error>> {
        let Some(entry) = self.walk.seek(image, cache, &self.from)? else { return Ok(None) };
        if !entry.path.starts_with(&self.prefix) {
            return Ok(None);
        }
        self.from.clear();
        self.from.extend_from_slice(&entry.path);
        // What is below a folder comes before this.
        self.from.push(1);
        Ok(Some(entry))
    }
}

impl<S: Source> Image<S> {
    /// Reads and checks everything: every hash, every segment decoded to its end, the index's order, each path's folder, each
    /// file's place in the segments. `progress` is told bytes of the image that are done, and all.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self, cache: &mut Cache, mut progress: impl FnMut(u64, u64)) -> Result<(), Error<S::Error>> {
        let superblock = *self.superblock();
        let total = superblock.image_len();
        cache.clear();
        self.piece(&superblock.base, crate::layout::SUPERBLOCK as u64)?;
        self.metadata()?;
        let (mut end, mut longest) = (superblock.segments_at(), 0);
        // The segments that are not full, ascending, and their lengths: no content goes on past one.
        let mut short = Vec::new();
        for number in 0..superblock.segments {
            let (piece, at) = self.segment(cache, number)?;
            if at != end {
                return Err(image(Defect::Segments, superblock.pages_at()));
            }
            end = at + u64::from(piece.stored);
            longest = longest.max(piece.len);
            if piece.len < superblock.segment_max {
                short.push((number, piece.len));
            }
            let all = Content { size: u64::from(piece.len), segment: number, offset: 0 };
            self.piece_of(cache, &all, 0, piece.len as usize)?;
            progress(end, total);
        }
        if end != superblock.pages_at() {
            return Err(image(Defect::Segments, superblock.pages_at()));
        }
        let longest_block = self.head().blocks().iter().map(|block| block.stored.len).max();
        if longest != superblock.segment_max || longest_block != Some(superblock.block_max) {
            return Err(image(Defect::Superblock, 88));
        }
        self.verify_index(cache, &short)?;
        progress(total, total);
        Ok(())
    }

    fn verify_index(&self, cache: &mut Cache, short: &[(u32, u32)]) -> Result<(), Error<S::Error>> {
        let at = self.superblock().blocks_at();
        let mut walk = Walk::new();
        let mut folders = Folders::default();
        let (mut entries, mut bytes) = (0_u64, 0_u64);
        while let Some(entry) = walk.next(self, cache)? {
            if !folders.enter(&entry.path, entry.kind == Kind::Directory) {
                return Err(image(Defect::Parent, at));
            }
            entries += 1;
            let contents = entry.encodings.iter().map(|(_, content)| content);
            if let Kind::File(content) = &entry.kind {
                bytes = bytes.checked_add(content.size).ok_or(image(Defect::Sum, 32))?;
                for content in contents.chain([content]) {
                    self.verify_content(short, content)?;
                }
            }
        }
        if entries != self.superblock().entries || bytes != self.superblock().bytes {
            return Err(image(Defect::Sum, 24));
        }
        Ok(())
    }

    /// Whether a content is within the segments: the first, the last, and that all but the last are full. However many it spans, it
    /// takes one search among the `short` ones.
    fn verify_content(&self, short: &[(u32, u32)], content: &Content) -> Result<(), Error<S::Error>> {
        if content.size == 0 {
            return Ok(());
        }
        let outside = || image(Defect::Content, self.superblock().pages_at());
        let full = u64::from(self.superblock().segment_max);
        let end = u64::from(content.offset).checked_add(content.size).ok_or_else(outside)?;
        let more = (end - 1).checked_div(full).ok_or_else(outside)?;
        let last = u64::from(content.segment).checked_add(more).ok_or_else(outside)?;
        let first_short = short.partition_point(|(number, _)| *number < content.segment);
        let len = match short.get(first_short) {
            Some((number, _)) if u64::from(*number) < last => return Err(outside()),
            Some((number, len)) if u64::from(*number) == last => u64::from(*len),
            _ => full,
        };
        let within = last < u64::from(self.superblock().segments) && u64::from(content.offset) < full;
        if within && end - more * full <= len { Ok(()) } else { Err(outside()) }
    }
}

/// The folders that lead to where a walk is, by which each entry's parent is known to be one.
#[derive(Debug, Default)]
pub struct Folders {
    /// The paths of the open folders; each leads to the next.
    open: Vec<Vec<u8>>,
}

impl Folders {
    /// Takes a walk's next path, and whether it is a folder; false if its own folder was not in the walk before it.
    pub fn enter(&mut self, path: &[u8], is_folder: bool) -> bool {
        let parent = match path.iter().rposition(|b| *b == b'/') {
            Some(slash) => path.get(..slash).unwrap_or_default(),
            None => b"",
        };
        if !path.is_empty() {
            while self.open.last().is_some_and(|open| open != parent) {
                self.open.pop();
            }
            if self.open.is_empty() {
                return false;
            }
        } else if !self.open.is_empty() {
            return false;
        }
        if is_folder {
            self.open.push(path.to_vec());
        }
        true
    }
}
