//! Images in which anything can be said under right hashes.
#![allow(dead_code, reason = "each test uses some of it")]

use docteur::layout::{Head, RecordWriter, Stored, Superblock};
use docteur::{Codec, Entry, Kind, Time};
use sha2::{Digest, Sha256};

/// A block of the index: what the head says of it, and its bytes.
pub(crate) struct Block {
    pub(crate) piece: Stored,
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: u32,
    pub(crate) first: Vec<u8>,
}

impl Block {
    /// A compressed block of these records, which begin with the path `first`.
    pub(crate) fn of(records: &RecordWriter, first: &[u8]) -> Self {
        let mut bytes = zstd::bulk::compress(records.bytes(), 19).unwrap();
        // It has room for what might not have become smaller.
        bytes.shrink_to_fit();
        let piece = Stored::of(Codec::Zstd, &bytes, records.bytes().len());
        Self { piece, bytes, entries: records.entries(), first: first.to_vec() }
    }
}

/// An image of these blocks, without segments; its head is compressed.
pub(crate) fn of_blocks(blocks: &[Block]) -> Vec<u8> {
    let nothing = Stored::of(Codec::Stored, b"", 0);
    let mut head = Head::default();
    blocks.iter().for_each(|block| head.push_block(block.piece, block.entries, &block.first));
    let bytes = head.write(0);
    let packed = zstd::bulk::compress(&bytes, 19).unwrap();
    let superblock = Superblock {
        entries: blocks.iter().map(|block| u64::from(block.entries)).sum(),
        bytes: 0,
        base: nothing,
        segments: 0,
        segments_stored: 0,
        segment_max: 0,
        blocks_stored: blocks.iter().map(|block| u64::from(block.piece.stored)).sum(),
        block_max: blocks.iter().map(|block| block.piece.len).max().unwrap(),
        metadata: nothing,
        head: Stored::of(Codec::Zstd, &packed, bytes.len()),
    };
    let index = blocks.iter().flat_map(|block| &block.bytes).copied().collect();
    [superblock.write().0.to_vec(), index, packed].concat()
}

/// An image of given records and one segment, all hashes right.
pub(crate) fn crafted(entries: &[Entry], bytes: u64, segment: &[u8]) -> Vec<u8> {
    crafted_of(entries, bytes, Stored::of(Codec::Stored, segment, segment.len()), segment)
}

/// The same with a segment of which anything can be said.
pub(crate) fn crafted_of(entries: &[Entry], bytes: u64, said: Stored, segment: &[u8]) -> Vec<u8> {
    let mut records = RecordWriter::default();
    entries.iter().for_each(|entry| records.push(entry));
    let stored = |bytes: &[u8]| Stored::of(Codec::Stored, bytes, bytes.len());
    let mut table = Vec::new();
    said.write_segment(&mut table);
    let mut superblock = Superblock {
        entries: entries.len() as u64,
        bytes,
        base: stored(b""),
        segments: 1,
        segments_stored: segment.len() as u64,
        segment_max: said.len,
        blocks_stored: records.bytes().len() as u64,
        block_max: records.bytes().len() as u32,
        metadata: stored(b""),
        head: stored(b""),
    };
    let mut head = Head::default();
    head.push_block(stored(records.bytes()), entries.len() as u32, b"");
    head.push_page(Sha256::digest(&table).into(), superblock.segments_at());
    let head = head.write(superblock.pages_at());
    superblock.head = stored(&head);
    [&superblock.write().0[..], segment, &table, records.bytes(), &head].concat()
}

pub(crate) fn entry(path: &[u8], kind: Kind) -> Entry {
    let (attributes, encodings) = (Vec::new(), Vec::new());
    let modified = Time::default();
    Entry { path: path.to_vec(), kind, mode: 0o755, modified, attributes, link: None, media_type: None, encodings }
}
