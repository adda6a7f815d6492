//! What can be wrong with an image.

use core::fmt;

/// An image could not be opened or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error<E> {
    /// The source failed.
    Source(E),
    /// The image is not one, or is damaged.
    Image {
        /// What is wrong.
        defect: Defect,
        /// The offset in the image, in bytes, of the piece that it is wrong in.
        at: u64,
    },
    /// The image needs more memory than the caller allows.
    Memory {
        /// Bytes that it needs.
        needed: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// A file is longer than the caller allows.
    Size {
        /// Its bytes.
        size: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
}

/// What is wrong with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Defect {
    /// It does not begin with the magic.
    Magic,
    /// It is of this version, which this reader does not know.
    Version(u32),
    /// It says that it is longer or shorter than it is, or ends too early.
    Length,
    /// The superblock does not have the root's hash.
    Root,
    /// The superblock has an unknown field, or a length past a bound of the format.
    Superblock,
    /// A piece does not have its hash.
    Hash,
    /// A piece does not decode to its length.
    Codec,
    /// The head is malformed, or contradicts the superblock.
    Head,
    /// The metadata is malformed.
    Metadata,
    /// A page of the segment table is malformed.
    Segments,
    /// A record is malformed, out of order, or not where the head says.
    Record,
    /// A path's folder is missing, or is no folder.
    Parent,
    /// A file's content is not within the segments, or spans one that is not full.
    Content,
    /// Hard links of each other lead to different bytes.
    Link,
    /// The files' sizes do not have the superblock's sum.
    Sum,
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(e) => write!(f, "the image cannot be read: {e}"),
            Self::Image { defect, at } => write!(f, "the image is damaged at byte {at}: {defect}"),
            Self::Memory { needed, limit } => {
                write!(f, "the image needs {needed} bytes of memory, and {limit} are allowed")
            }
            Self::Size { size, limit } => write!(f, "the file has {size} bytes, and {limit} are allowed"),
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Magic => "it does not begin with docteur's magic",
            Self::Version(version) => {
                return write!(f, "it has format {version}, and only format {} is known", crate::layout::VERSION);
            }
            Self::Length => "its length is not the one it says",
            Self::Root => "the superblock does not have the root's hash",
            Self::Superblock => "the superblock has an unknown field or a length past its bound",
            Self::Hash => "the piece does not have its hash",
            Self::Codec => "the piece does not decode to its length",
            Self::Head => "the head is malformed",
            Self::Metadata => "the metadata is malformed",
            Self::Segments => "the segment table is malformed",
            Self::Record => "a record is malformed or out of order",
            Self::Parent => "a path's folder is missing",
            Self::Content => "a file's content is not within its segments",
            Self::Link => "hard links of each other lead to different bytes",
            Self::Sum => "the sizes of the files do not have the sum it says",
        })
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for Error<E> {}
impl core::error::Error for Defect {}
