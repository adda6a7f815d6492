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
        /// The offset in the image, in bytes, of what is wrong.
        at: u64,
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
    /// The index does not have the root hash.
    Root,
    /// The index ends within a file, or goes on after the last.
    Index,
    /// A path is not absolute, not clean, not UTF-8, or not after the one before.
    Path,
    /// A media type is not one.
    MediaType,
    /// A file's variants are unknown, out of order, without identity, or larger than it.
    Variants,
    /// A file's bytes do not have their hash.
    Content,
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(e) => write!(f, "the image cannot be read: {e}"),
            Self::Image { defect, at } => write!(f, "the image is damaged at byte {at}: {defect}"),
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
            Self::Root => "the index does not have the root's hash",
            Self::Index => "the index does not hold the files it says",
            Self::Path => "a path is malformed or out of order",
            Self::MediaType => "a media type is malformed",
            Self::Variants => "a file's variants are malformed or out of order",
            Self::Content => "a file does not have its hash",
        })
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for Error<E> {}
impl core::error::Error for Defect {}
