//! The head: what stays in memory of index and segment table.

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::wire::{Cursor, put_string, put_varint};
use super::{Codec, MAX_PATH, PAGE, SEGMENT, Stored, Superblock, is_path, names, order};

/// The least bytes that a block takes in the head.
const BLOCK: usize = 38;
/// The least bytes that a record takes in its block.
const RECORD: u64 = 5;

/// A block of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its bytes.
    pub stored: Stored,
    /// Where they begin in the image.
    pub at: u64,
    /// The number of its first record.
    pub first: u64,
    /// How many records it has.
    pub entries: u32,
    /// Where its first path ends in [`Head::paths`].
    end: usize,
}

/// A page of the segment table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// SHA-256 of its bytes.
    pub hash: [u8; 32],
    /// Where its first segment begins in the image.
    pub segments_at: u64,
}

/// Index blocks and pages of the segment table, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    blocks: Vec<Block>,
    pages: Vec<Page>,
    /// The blocks' first paths, one after the other.
    paths: Vec<u8>,
}

impl Head {
    /// The blocks.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The pages.
    #[must_use]
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// The first path of a block.
    #[must_use]
    pub fn path(&self, block: usize) -> &[u8] {
        let start = block.checked_sub(1).and_then(|before| self.blocks.get(before)).map_or(0, |before| before.end);
        self.blocks.get(block).and_then(|block| self.paths.get(start..block.end)).unwrap_or_default()
    }

    /// The block that a path would be in.
    #[must_use]
    pub fn block_of(&self, path: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (0, self.blocks.len());
        while low < high {
            let middle = low.midpoint(high);
            if order(self.path(middle), path) == Ordering::Greater { high = middle } else { low = middle + 1 }
        }
        low.checked_sub(1)
    }

    /// The block that record `number` is in.
    #[must_use]
    pub fn block_of_number(&self, number: u64) -> Option<usize> {
        self.blocks.partition_point(|block| block.first <= number).checked_sub(1)
    }

    /// Adds a block that begins with `path`.
    pub fn push_block(&mut self, stored: Stored, entries: u32, path: &[u8]) {
        self.paths.extend_from_slice(path);
        self.blocks.push(Block { stored, at: 0, first: 0, entries, end: self.paths.len() });
    }

    /// Adds a page, of which the segments begin at `segments_at`.
    pub fn push_page(&mut self, hash: [u8; 32], segments_at: u64) {
        self.pages.push(Page { hash, segments_at });
    }

    /// The head's bytes; `segments_end` is where the last segment ends in the image.
    #[must_use]
    pub fn write(&self, segments_end: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.blocks.len() as u64);
        let mut last: &[u8] = b"";
        for (n, block) in self.blocks.iter().enumerate() {
            out.push(block.stored.codec.code());
            put_varint(&mut out, u64::from(block.stored.stored));
            put_varint(&mut out, u64::from(block.stored.len));
            put_varint(&mut out, u64::from(block.entries));
            out.extend_from_slice(&block.stored.hash);
            let path = self.path(n);
            let shared = names::shared(last, path);
            put_varint(&mut out, shared as u64);
            put_string(&mut out, path.get(shared..).unwrap_or_default());
            last = path;
        }
        for (n, page) in self.pages.iter().enumerate() {
            let end = self.pages.get(n + 1).map_or(segments_end, |next| next.segments_at);
            put_varint(&mut out, end - page.segments_at);
            out.extend_from_slice(&page.hash);
        }
        out
    }

    /// How many bytes the blocks' first paths of a head have, which [`Head::read`] allocates beside what the head's length bounds. Few bytes
    /// can stand for many, since a path shares what it begins with. `None` if the head is malformed.
    #[must_use]
    pub fn paths_len(bytes: &[u8]) -> Option<u64> {
        let mut fields = Cursor::new(bytes, 0);
        let mut sum = 0;
        for _ in 0..fields.bounded(bytes.len() / BLOCK)? {
            fields.byte()?;
            for _ in 0..3 {
                fields.varint_u32()?;
            }
            fields.array::<32>()?;
            let shared = fields.bounded(MAX_PATH)?;
            // As many as a head has bytes, of two lengths at most: no overflow.
            sum += (shared + fields.string(MAX_PATH)?.len()) as u64;
        }
        Some(sum)
    }

    /// Reads a head that has to agree with its superblock. Beside the first paths ([`Head::paths_len`]) it takes up to twice the memory of
    /// `bytes`.
    #[must_use]
    pub fn read(bytes: &[u8], superblock: &Superblock) -> Option<Self> {
        let mut fields = Cursor::new(bytes, 0);
        let mut head = Self::default();
        head.paths.reserve_exact(usize::try_from(Self::paths_len(bytes)?).ok()?);
        let count = fields.bounded(bytes.len() / BLOCK)?;
        head.blocks.reserve_exact(count);
        let (mut at, mut first) = (superblock.blocks_at(), 0_u64);
        for n in 0..count {
            let codec = Codec::from_code(fields.byte()?).filter(|codec| *codec != Codec::ZstdBase)?;
            let (stored, len, entries) = (fields.varint_u32()?, fields.varint_u32()?, fields.varint_u32()?);
            let stored = Stored { codec, stored, len, hash: fields.array()? };
            let start = head.paths.len();
            let before = n.checked_sub(1).map_or(0, |before| start - head.path(before).len());
            let shared = fields.bounded(start - before)?;
            head.paths.extend_from_within(before..before + shared);
            head.paths.extend_from_slice(fields.string(MAX_PATH)?);
            let (last, path) = (head.paths.get(before..start)?, head.paths.get(start..)?);
            let ordered = if n == 0 { path.is_empty() } else { order(last, path) == Ordering::Less };
            let holds = entries > 0 && u64::from(entries) * RECORD <= u64::from(stored.len);
            if !ordered || !is_path(path) || !stored.is_sound() || stored.len > superblock.block_max || !holds {
                return None;
            }
            head.blocks.push(Block { stored, at, first, entries, end: head.paths.len() });
            at = at.checked_add(u64::from(stored.stored))?;
            first = first.checked_add(u64::from(entries))?;
        }
        if first != superblock.entries || at != superblock.metadata_at() {
            return None;
        }
        let mut segments_at = superblock.segments_at();
        let pages = superblock.segments.div_ceil(PAGE) as usize;
        if pages > bytes.len() / 32 {
            return None;
        }
        head.pages.reserve_exact(pages);
        for _ in 0..pages {
            let stored = fields.varint()?;
            head.pages.push(Page { hash: fields.array()?, segments_at });
            segments_at = segments_at.checked_add(stored)?;
        }
        (fields.is_empty() && segments_at == superblock.pages_at()).then_some(head)
    }

    /// Where a page begins in the image, and how many bytes it has.
    #[must_use]
    pub fn page_place(superblock: &Superblock, page: u32) -> (u64, usize) {
        let before = u64::from(page) * u64::from(PAGE);
        let count = u64::from(superblock.segments).saturating_sub(before).min(u64::from(PAGE));
        (superblock.pages_at() + before * SEGMENT as u64, count as usize * SEGMENT)
    }
}
