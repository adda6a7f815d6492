//! The reader: opens an image, finds paths, reads files. Whatever it gives was checked against the root.

use alloc::vec::Vec;

use crate::cache::{self, Cache};
use crate::layout::{
    self, Codec, Content, Entry, Head, Metadata, PAGE, Records, SEGMENT, SUPERBLOCK, Stored, Superblock,
};
use crate::{Defect, Error, Source, zstd};

/// An open image. It can be shared: what changes while reading is in a [`Cache`].
#[derive(Clone, Debug)]
pub struct Image<S> {
    pub(crate) source: S,
    superblock: Superblock,
    root: [u8; 32],
    head: Head,
    /// Whether pieces are compared with their hashes.
    is_checked: bool,
}

/// What a caller allows an image to take.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The most bytes of memory that the image may need to be read with the smallest cache: base, metadata, head with the first path of each index
    /// block, and the largest segment and index block. It is checked before anything of that is allocated: by what the superblock says, and
    /// for the paths, by the head, once it is known that there is room for this.
    pub memory: u64,
}

impl Default for Limits {
    /// 64 MiB.
    fn default() -> Self {
        Self { memory: 64 << 20 }
    }
}

impl Limits {
    /// The same with another bound on memory, in bytes.
    #[must_use]
    pub fn memory(self, memory: u64) -> Self {
        Self { memory }
    }
}

impl<S: Source> Image<S> {
    /// Opens an image: reads superblock and head, and checks them.
    ///
    /// # Errors
    /// [`Error::Source`] if the source fails, [`Error::Image`] if what it gives is not an image of format 1,
    /// [`Error::Memory`] if it needs more than `limits` allow.
    pub fn open(source: S, limits: &Limits) -> Result<Self, Error<S::Error>> {
        Self::open_as(source, limits, true)
    }

    /// Opens an image that is a part of the program itself, by `include_bytes!`: what changed it has changed the program. So its pieces
    /// are not compared with their hashes, which is most of the work of reading an image once. Everything else is checked as ever.
    ///
    /// # Errors
    /// As [`Image::open`].
    pub fn open_built_in(source: S, limits: &Limits) -> Result<Self, Error<S::Error>> {
        Self::open_as(source, limits, false)
    }

    fn open_as(source: S, limits: &Limits, is_checked: bool) -> Result<Self, Error<S::Error>> {
        let len = source.len();
        let mut bytes = [0; SUPERBLOCK];
        if len < SUPERBLOCK as u64 {
            // What there is may still tell that this is no image at all.
            let there = bytes.get_mut(..len as usize).unwrap_or_default();
            source.read_at(0, there).map_err(Error::Source)?;
            let magic = bytes.starts_with(&layout::MAGIC);
            return Err(image(if magic { Defect::Length } else { Defect::Magic }, 0));
        }
        source.read_at(0, &mut bytes).map_err(Error::Source)?;
        let (superblock, root) = Superblock::read(&bytes, len).map_err(|(defect, at)| image(defect, at))?;
        let needed = memory(&superblock);
        if needed > limits.memory {
            return Err(Error::Memory { needed, limit: limits.memory });
        }
        let opened = Self { source, superblock, root, head: Head::default(), is_checked };
        let head = opened.piece(&superblock.head, superblock.head_at())?;
        let malformed = || image(Defect::Head, superblock.head_at());
        let needed = needed.saturating_add(Head::paths_len(&head).ok_or_else(malformed)?);
        if needed > limits.memory {
            return Err(Error::Memory { needed, limit: limits.memory });
        }
        let head = Head::read(&head, &superblock).ok_or_else(malformed)?;
        Ok(Self { head, ..opened })
    }

    /// The hash that stands for the whole image.
    pub fn root(&self) -> [u8; 32] {
        self.root
    }

    /// What the image says of itself: lengths, numbers.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// The part of the index that stays in memory.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Where the image's bytes come from.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// What is known of the image as a whole.
    ///
    /// # Errors
    /// [`Error::Source`], or [`Error::Image`] with [`Defect::Hash`], [`Defect::Codec`] or [`Defect::Metadata`].
    pub fn metadata(&self) -> Result<Metadata, Error<S::Error>> {
        let at = self.superblock.metadata_at();
        let bytes = self.piece(&self.superblock.metadata, at)?;
        Metadata::read(&bytes).ok_or(image(Defect::Metadata, at))
    }

    /// The entry at a path: names joined by `/`, without one at either end; empty for the root. Symbolic links are not followed.
    ///
    /// # Errors
    /// [`Error::Source`], or [`Error::Image`] if a block of the index is damaged.
    pub fn find(&self, cache: &mut Cache, path: &[u8]) -> Result<Option<Entry>, Error<S::Error>> {
        let Some(number) = self.head.block_of(path) else { return Ok(None) };
        let (block, at) = self.block(cache, number)?;
        let found = Records::new(block).seek(path).ok_or(image(Defect::Record, at))?;
        Ok(found.filter(|entry| entry.path == path))
    }

    /// The bytes of a content from `offset` on that lie in one segment: at least one and at most `most` of them, but none at
    /// its end. They are checked, and stay in the cache; no more of the segment is decoded than is needed for them.
    ///
    /// # Errors
    /// [`Error::Source`], or [`Error::Image`] if a segment is damaged or the content leads out of the segments.
    pub fn piece_of<'c>(
        &self,
        cache: &'c mut Cache,
        content: &Content,
        offset: u64,
        most: usize,
    ) -> Result<&'c [u8], Error<S::Error>> {
        let Some(left) = content.size.checked_sub(offset).filter(|left| *left > 0) else { return Ok(&[]) };
        if most == 0 {
            return Ok(&[]);
        }
        let outside = image(Defect::Content, self.superblock.pages_at());
        let (number, start) = self.place(content, offset).ok_or(outside)?;
        cache.serve(&self.root);
        let now = cache.tick();
        let cached = cache::find(&mut cache.segments, number, now);
        let slot = match cached {
            Some(slot) => slot,
            None => self.load_segment(cache, number)?,
        };
        let base = cache.base().cloned();
        let segment = &mut cache.segments.get_mut(slot).ok_or(image(Defect::Segments, 0))?.value;
        let len = segment.piece.len as usize;
        let here = len.checked_sub(start).filter(|here| *here > 0).ok_or(image(Defect::Content, segment.at))?;
        let (at, take) = (segment.at, here.min(most).min(usize::try_from(left).unwrap_or(usize::MAX)));
        if left > here as u64 && segment.piece.len != self.superblock.segment_max {
            return Err(image(Defect::Content, at));
        }
        if segment.advance(base.as_deref().map_or(&[], Vec::as_slice), start + take).is_err() {
            cache.segments.swap_remove(slot);
            return Err(image(Defect::Codec, at));
        }
        let segment = &cache.segments.get(slot).ok_or(image(Defect::Segments, 0))?.value;
        segment.decoded().get(start..start + take).ok_or(image(Defect::Codec, at))
    }

    /// Reads a content's bytes from `offset` on into `buffer`; gives how many there were, fewer than asked only at its end.
    ///
    /// # Errors
    /// As [`Image::piece_of`].
    pub fn read(
        &self,
        cache: &mut Cache,
        content: &Content,
        mut offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Error<S::Error>> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let piece = self.piece_of(cache, content, offset, rest.len())?;
            if piece.is_empty() {
                break;
            }
            let len = piece.len();
            rest.get_mut(..len).unwrap_or_default().copy_from_slice(piece);
            done += len;
            offset += len as u64;
        }
        Ok(done)
    }

    /// All bytes of a content, if they are at most `limit`.
    ///
    /// # Errors
    /// [`Error::Size`] if there are more; else as [`Image::piece_of`].
    pub fn read_all(&self, cache: &mut Cache, content: &Content, limit: usize) -> Result<Vec<u8>, Error<S::Error>> {
        let size = usize::try_from(content.size).ok().filter(|size| *size <= limit);
        let size = size.ok_or(Error::Size { size: content.size, limit: limit as u64 })?;
        let mut out = Vec::new();
        while out.len() < size {
            let piece = self.piece_of(cache, content, out.len() as u64, size - out.len())?;
            if out.is_empty() {
                // Only now is it known that the image has something of that size.
                out.reserve_exact(size.min(piece.len().saturating_mul(64)));
            }
            out.extend_from_slice(piece);
        }
        Ok(out)
    }

    /// The description of a segment, and where it begins in the image.
    ///
    /// # Errors
    /// [`Error::Source`], or [`Error::Image`] if there is no such segment or its page of the table is damaged.
    pub fn segment(&self, cache: &mut Cache, number: u32) -> Result<(Stored, u64), Error<S::Error>> {
        cache.serve(&self.root);
        if number >= self.superblock.segments {
            return Err(image(Defect::Content, self.superblock.pages_at()));
        }
        let page = number / PAGE;
        let (at, len) = Head::page_place(&self.superblock, page);
        let wrong = image(Defect::Segments, at);
        let known = self.head.pages().get(page as usize).ok_or(image(Defect::Head, self.superblock.head_at()))?;
        let now = cache.tick();
        let cached = cache::find(&mut cache.pages, page, now);
        let slot = match cached {
            Some(slot) => slot,
            None => {
                let mut bytes = alloc::vec![0; len];
                self.source.read_at(at, &mut bytes).map_err(Error::Source)?;
                let piece = Stored { codec: Codec::Stored, stored: len as u32, len: len as u32, hash: known.hash };
                if !self.is_whole(&piece, &bytes) {
                    return Err(image(Defect::Hash, at));
                }
                cache.keep_page(page, bytes)
            }
        };
        let bytes = &cache.pages.get(slot).ok_or(image(Defect::Segments, at))?.value;
        let mut begin = known.segments_at;
        for (n, segment) in (page * PAGE..).zip(bytes.as_chunks::<SEGMENT>().0) {
            let piece = Stored::read_segment(segment).ok_or(image(Defect::Segments, at))?;
            if n == number {
                let end = begin.checked_add(u64::from(piece.stored));
                let sound = piece.len <= self.superblock.segment_max
                    && end.is_some_and(|end| end <= self.superblock.pages_at())
                    && (piece.codec != Codec::ZstdBase || self.superblock.base.len > 0);
                return if sound { Ok((piece, begin)) } else { Err(wrong) };
            }
            begin = begin.saturating_add(u64::from(piece.stored));
        }
        Err(wrong)
    }

    /// An index block, and where it begins in the image.
    pub(crate) fn block<'c>(&self, cache: &'c mut Cache, number: usize) -> Result<(&'c [u8], u64), Error<S::Error>> {
        cache.serve(&self.root);
        let block = self.head.blocks().get(number).ok_or(image(Defect::Head, self.superblock.head_at()))?;
        let now = cache.tick();
        let cached = cache::find(&mut cache.blocks, number as u32, now);
        let slot = match cached {
            Some(slot) => slot,
            None => {
                let mut bytes = cache.buffer(block.stored.stored as usize);
                self.source.read_at(block.at, &mut bytes).map_err(Error::Source)?;
                if !self.is_whole(&block.stored, &bytes) {
                    return Err(image(Defect::Hash, block.at));
                }
                let kept = cache.keep_block(number as u32, &block.stored, &bytes);
                cache.put_back(bytes);
                kept.map_err(|zstd::Corrupt| image(Defect::Codec, block.at))?
            }
        };
        let bytes = &cache.blocks.get(slot).ok_or(image(Defect::Head, block.at))?.value;
        Ok((bytes, block.at))
    }

    /// Whether these bytes are the piece's, where that is asked.
    fn is_whole(&self, piece: &Stored, bytes: &[u8]) -> bool {
        !self.is_checked || piece.matches(bytes)
    }

    /// A segment and an offset in it.
    fn place(&self, content: &Content, offset: u64) -> Option<(u32, usize)> {
        let full = u64::from(self.superblock.segment_max);
        let absolute = u64::from(content.offset).checked_add(offset)?;
        let number = u64::from(content.segment).checked_add(absolute.checked_div(full)?)?;
        Some((u32::try_from(number).ok()?, (absolute % full) as usize))
    }

    fn load_segment(&self, cache: &mut Cache, number: u32) -> Result<usize, Error<S::Error>> {
        let (piece, at) = self.segment(cache, number)?;
        if piece.codec == Codec::ZstdBase && cache.base().is_none() {
            let base = self.piece(&self.superblock.base, SUPERBLOCK as u64)?;
            cache.set_base(base);
        }
        let mut segment = cache.room(&piece, at);
        self.source.read_at(at, segment.input()).map_err(Error::Source)?;
        if !self.is_whole(&piece, segment.input()) {
            return Err(image(Defect::Hash, at));
        }
        segment.begin().map_err(|zstd::Corrupt| image(Defect::Codec, at))?;
        Ok(cache.keep_segment(number, segment))
    }

    /// Reads, checks and decodes a piece that is named by the superblock.
    pub(crate) fn piece(&self, piece: &Stored, at: u64) -> Result<Vec<u8>, Error<S::Error>> {
        let mut bytes = alloc::vec![0; piece.stored as usize];
        self.source.read_at(at, &mut bytes).map_err(Error::Source)?;
        if !self.is_whole(piece, &bytes) {
            return Err(image(Defect::Hash, at));
        }
        match piece.codec {
            Codec::Stored => Ok(bytes),
            _ => zstd::decode(&bytes, b"", piece.len as usize).map_err(|zstd::Corrupt| image(Defect::Codec, at)),
        }
    }
}

pub(crate) fn image<E>(defect: Defect, at: u64) -> Error<E> {
    Error::Image { defect, at }
}

/// Bytes needed to read an image with the smallest cache, but for the first paths of its index blocks.
fn memory(superblock: &Superblock) -> u64 {
    let twice = |len: u32| 2 * u64::from(len);
    let piece = |piece: &Stored| u64::from(piece.len) + u64::from(piece.stored);
    let base = piece(&superblock.base) + piece(&superblock.metadata);
    // The head's blocks take a little more room than its bytes, which are there at the same time.
    base + 4 * u64::from(superblock.head.len)
        + twice(superblock.segment_max)
        + twice(superblock.block_max)
        + 2 * zstd::OVERHEAD as u64
}
