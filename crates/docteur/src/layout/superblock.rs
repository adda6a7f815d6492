//! The superblock: lengths and hashes of everything else.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::wire::Cursor;
use super::{MAGIC, MAX_BASE, MAX_BLOCK, MAX_HEAD, MAX_METADATA, MAX_SEGMENT, ROOTED, SEGMENT, SUPERBLOCK, VERSION};
use crate::Defect;

/// How a piece of an image is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Not at all.
    Stored,
    /// One zstd frame (RFC 8878) with its content's size, without dictionary id and checksum.
    Zstd,
    /// The same, with the image's base as its raw dictionary.
    ZstdBase,
}

/// A piece of an image as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How it is compressed.
    pub codec: Codec,
    /// Its bytes in the image: [`Stored::len`] where it is not compressed, and fewer where it is.
    pub stored: u32,
    /// Its bytes decoded.
    pub len: u32,
    /// SHA-256 of its bytes in the image.
    pub hash: [u8; 32],
}

/// What an image begins with. The parts follow it in the order of its fields, without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Records in the index.
    pub entries: u64,
    /// The sum of the sizes of all files, one that is there twice counted twice.
    pub bytes: u64,
    /// Text that the segments share; its length is 0 where there is none.
    pub base: Stored,
    /// How many segments there are.
    pub segments: u32,
    /// The sum of their bytes in the image.
    pub segments_stored: u64,
    /// The longest of them, decoded.
    pub segment_max: u32,
    /// The sum of the index blocks' bytes in the image.
    pub blocks_stored: u64,
    /// The longest of them, decoded.
    pub block_max: u32,
    /// Key-value pairs about the image.
    pub metadata: Stored,
    /// Where index blocks and pages of the segment table are, with their hashes.
    pub head: Stored,
}

impl Codec {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Stored => 0,
            Self::Zstd => 1,
            Self::ZstdBase => 2,
        }
    }

    pub(super) const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Stored,
            1 => Self::Zstd,
            2 => Self::ZstdBase,
            _ => return None,
        })
    }
}

impl Stored {
    /// A piece that is stored as `bytes` and decodes to `len` bytes; no bound of the format lets either reach 2^32.
    #[must_use]
    pub fn of(codec: Codec, bytes: &[u8], len: usize) -> Self {
        Self { codec, stored: bytes.len() as u32, len: len as u32, hash: Sha256::digest(bytes).into() }
    }

    /// Whether these are its bytes in the image.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        <[u8; 32]>::from(Sha256::digest(bytes)) == self.hash
    }

    /// Writes the 41 bytes of a segment in its page.
    pub fn write_segment(&self, out: &mut Vec<u8>) {
        out.push(self.codec.code());
        out.extend_from_slice(&self.stored.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.hash);
    }

    /// Reads what [`Stored::write_segment`] wrote; no segment is empty.
    #[must_use]
    pub fn read_segment(bytes: &[u8; SEGMENT]) -> Option<Self> {
        let mut fields = Cursor::new(bytes, 0);
        let codec = Codec::from_code(fields.byte()?)?;
        let stored = Self { codec, stored: fields.u32()?, len: fields.u32()?, hash: fields.array()? };
        (stored.is_sound() && stored.len > 0).then_some(stored)
    }

    /// What compressing does not make smaller is stored.
    pub(super) fn is_sound(&self) -> bool {
        match self.codec {
            Codec::Stored => self.stored == self.len,
            _ => self.stored < self.len,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u32::from(self.codec.code()).to_le_bytes());
        out.extend_from_slice(&self.stored.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.hash);
    }

    /// The base cannot lean on itself, and head and metadata are read without it.
    fn read(fields: &mut Cursor<'_>) -> Option<Self> {
        let codec = Codec::from_code(u8::try_from(fields.u32()?).ok()?).filter(|codec| *codec != Codec::ZstdBase)?;
        Some(Self { codec, stored: fields.u32()?, len: fields.u32()?, hash: fields.array()? }).filter(Self::is_sound)
    }
}

impl Superblock {
    /// Where the segments begin.
    #[must_use]
    pub fn segments_at(&self) -> u64 {
        SUPERBLOCK as u64 + u64::from(self.base.stored)
    }

    /// Where the pages of the segment table begin.
    #[must_use]
    pub fn pages_at(&self) -> u64 {
        self.segments_at() + self.segments_stored
    }

    /// Where the index blocks begin.
    #[must_use]
    pub fn blocks_at(&self) -> u64 {
        self.pages_at() + u64::from(self.segments) * SEGMENT as u64
    }

    /// Where the metadata begins.
    #[must_use]
    pub fn metadata_at(&self) -> u64 {
        self.blocks_at() + self.blocks_stored
    }

    /// Where the head begins.
    #[must_use]
    pub fn head_at(&self) -> u64 {
        self.metadata_at() + u64::from(self.metadata.stored)
    }

    /// Bytes of the image.
    #[must_use]
    pub fn image_len(&self) -> u64 {
        self.head_at() + u64::from(self.head.stored)
    }

    /// The superblock's bytes, and the root: the hash by which the whole image is known.
    #[must_use]
    pub fn write(&self) -> ([u8; SUPERBLOCK], [u8; 32]) {
        let mut out = Vec::with_capacity(SUPERBLOCK);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&0_u32.to_le_bytes());
        out.extend_from_slice(&self.image_len().to_le_bytes());
        out.extend_from_slice(&self.entries.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        self.base.write(&mut out);
        out.extend_from_slice(&self.segments.to_le_bytes());
        out.extend_from_slice(&self.segment_max.to_le_bytes());
        out.extend_from_slice(&self.segments_stored.to_le_bytes());
        out.extend_from_slice(&self.blocks_stored.to_le_bytes());
        out.extend_from_slice(&self.block_max.to_le_bytes());
        self.metadata.write(&mut out);
        self.head.write(&mut out);
        out.resize(ROOTED, 0);
        let root: [u8; 32] = Sha256::digest(&out).into();
        out.extend_from_slice(&root);
        let mut bytes = [0; SUPERBLOCK];
        bytes.copy_from_slice(&out);
        (bytes, root)
    }

    /// Reads a superblock of an image of `len` bytes, and its root.
    ///
    /// # Errors
    /// What is wrong, and at which byte.
    pub fn read(bytes: &[u8], len: u64) -> Result<(Self, [u8; 32]), (Defect, u64)> {
        let mut fields = Cursor::new(bytes, 0);
        let cut = (Defect::Length, 0);
        if fields.array() != Some(MAGIC) {
            return Err((Defect::Magic, 0));
        }
        let version = fields.u32().ok_or(cut)?;
        if version != VERSION {
            return Err((Defect::Version(version), 8));
        }
        let rooted = bytes.get(..ROOTED).ok_or(cut)?;
        let root: [u8; 32] = bytes.get(ROOTED..SUPERBLOCK).and_then(|root| root.try_into().ok()).ok_or(cut)?;
        if <[u8; 32]>::from(Sha256::digest(rooted)) != root {
            return Err((Defect::Root, ROOTED as u64));
        }
        let (superblock, said) = Self::fields(&mut fields).ok_or((Defect::Superblock, fields.at() as u64))?;
        if rooted.iter().skip(fields.at()).any(|byte| *byte != 0) {
            return Err((Defect::Superblock, fields.at() as u64));
        }
        // No sum of these lengths overflows: the two long ones are checked against the image's own.
        let long = superblock.segments_stored.max(superblock.blocks_stored);
        if said != len || long > len || superblock.image_len() != len {
            return Err((Defect::Length, 16));
        }
        Ok((superblock, root))
    }

    fn fields(fields: &mut Cursor<'_>) -> Option<(Self, u64)> {
        if fields.u32()? != 0 {
            return None;
        }
        let len = fields.u64()?;
        let (entries, bytes) = (fields.u64()?, fields.u64()?);
        let base = Stored::read(fields).filter(|base| base.len <= MAX_BASE)?;
        let (segments, segment_max, segments_stored) = (fields.u32()?, fields.u32()?, fields.u64()?);
        let (blocks_stored, block_max) = (fields.u64()?, fields.u32()?);
        let metadata = Stored::read(fields).filter(|metadata| metadata.len <= MAX_METADATA)?;
        let head = Stored::read(fields).filter(|head| head.len <= MAX_HEAD)?;
        let sound = segment_max <= MAX_SEGMENT && block_max <= MAX_BLOCK && entries > 0 && len < 1 << 62;
        let superblock = Self {
            entries,
            bytes,
            base,
            segments,
            segments_stored,
            segment_max,
            blocks_stored,
            block_max,
            metadata,
            head,
        };
        sound.then_some((superblock, len))
    }
}
