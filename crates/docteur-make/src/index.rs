//! Index blocks, segment table, head and superblock.

use docteur::layout::{Head, MAX_BLOCK, MAX_HEAD, PAGE, RecordWriter, Stored};
use docteur::{Codec, Entry};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::encode::Packer;

/// Bytes after which a block of records is closed.
const BLOCK: usize = 8 << 10;

/// The index blocks of an image, one after the other, and what the head has to know of them.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) bytes: Vec<u8>,
    pub(crate) head: Head,
    /// The longest block, decoded.
    pub(crate) longest: u32,
    first: Vec<u8>,
    open: RecordWriter,
}

impl Index {
    /// Adds the next entry by order.
    pub(crate) fn push(&mut self, entry: &Entry, packer: &mut Packer) -> Result<(), Error> {
        if self.open.entries() == 0 {
            self.first.clone_from(&entry.path);
        }
        self.open.push(entry);
        if self.open.bytes().len() >= BLOCK { self.close(packer) } else { Ok(()) }
    }

    /// Ends the last block.
    pub(crate) fn close(&mut self, packer: &mut Packer) -> Result<(), Error> {
        let block = std::mem::take(&mut self.open);
        if block.entries() == 0 {
            return Ok(());
        }
        let len = block.bytes().len();
        if len > MAX_BLOCK as usize {
            return Err(Error::TooMuch { what: "the length of an index block", limit: MAX_BLOCK.into() });
        }
        let (piece, bytes) = packer.alone(block.bytes())?;
        self.head.push_block(piece, block.entries(), &self.first);
        self.longest = self.longest.max(len as u32);
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }
}

/// The segment table: its pages are added to the head.
pub(crate) fn table(segments: &[Stored], mut at: u64, head: &mut Head) -> Vec<u8> {
    let mut table = Vec::new();
    for page in segments.chunks(PAGE as usize) {
        let start = table.len();
        for segment in page {
            segment.write_segment(&mut table);
        }
        head.push_page(Sha256::digest(&table[start..]).into(), at);
        at += page.iter().map(|segment| u64::from(segment.stored)).sum::<u64>();
    }
    table
}

/// The head as it is stored.
pub(crate) fn head(head: &Head, segments_end: u64, packer: &mut Packer) -> Result<(Stored, Vec<u8>), Error> {
    let bytes = head.write(segments_end);
    if bytes.len() > MAX_HEAD as usize {
        return Err(Error::TooMuch { what: "the length of the head", limit: MAX_HEAD.into() });
    }
    packer.alone(&bytes)
}

/// Nothing, as it is stored.
pub(crate) fn nothing() -> Stored {
    Stored::of(Codec::Stored, b"", 0)
}
