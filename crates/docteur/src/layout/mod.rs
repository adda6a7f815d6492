//! Format 1: the structures of an image, each with its reading and its writing side by side.
//!
//! `docs/docteur.md` has the format field by field. A structure's `read` checks all that can be checked by looking at it alone;
//! what relates structures to each other is checked where they meet, in the reader.

mod head;
mod metadata;
mod names;
mod record;
mod superblock;
mod wire;

pub use head::{Block, Head, Page};
pub use metadata::Metadata;
pub use names::{Encoding, is_media_type, is_path, order};
pub(crate) use record::State;
pub use record::{Attribute, Content, Entry, Kind, Records, Time, Writer as RecordWriter};
pub use superblock::{Codec, Stored, Superblock};

/// The first eight bytes.
pub const MAGIC: [u8; 8] = *b"docteur\0";
/// The version of the format described here.
pub const VERSION: u32 = 1;
/// Bytes of the superblock.
pub const SUPERBLOCK: usize = 256;
/// Bytes of the superblock that the root covers; the root follows.
pub const ROOTED: usize = 224;
/// Segments described by a page of the segment table; the last page may have fewer.
pub const PAGE: u32 = 64;
/// Bytes of a segment's description in its page.
pub const SEGMENT: usize = 41;

/// The longest path in bytes, and the longest target of a symbolic link.
pub const MAX_PATH: usize = 4096;
/// The longest name between two slashes in bytes.
pub const MAX_NAME: usize = 255;
/// The longest media type in bytes.
pub const MAX_TYPE: usize = 255;
/// The most bytes of one entry's extended attributes, names and values together.
pub const MAX_ATTRIBUTES: usize = 64 << 10;
/// The most bytes of an index block, decoded.
pub const MAX_BLOCK: u32 = 256 << 10;
/// The most bytes of a segment, decoded.
pub const MAX_SEGMENT: u32 = 64 << 20;
/// The most bytes of the base, decoded: what a zstd window of 2^27 bytes can reach.
pub const MAX_BASE: u32 = 64 << 20;
/// The most bytes of the head, decoded.
pub const MAX_HEAD: u32 = 256 << 20;
/// The most bytes of the metadata, decoded.
pub const MAX_METADATA: u32 = 1 << 20;
