//! Why an image could not be built or used.

use std::io;
use std::path::{Path, PathBuf};

/// Something went wrong with an image or with what it is made of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path that no image may hold.
    #[error(
        "{0} cannot be a path in an image: it has to be names joined by slashes, each at most 255 bytes, 4096 in all"
    )]
    Path(String),
    /// Text that is no media type.
    #[error("{0:?} is no media type")]
    MediaType(String),
    /// A path was given twice.
    #[error("{0} is there twice")]
    Twice(String),
    /// A path's folder is missing, or is no folder.
    #[error("{0} is in no folder")]
    Parent(String),
    /// There is more than an image holds.
    #[error("there is too much for an image: {what} is at most {limit}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A folder holds something that is neither folder, plain file nor symbolic link.
    #[error("{} is a device, pipe or socket, and images hold folders, files and symbolic links", .0.display())]
    Special(PathBuf),
    /// A Git repository, or what a revision names in it, could not be read.
    #[error("the repository {place}: {1}", place = .0.display())]
    Git(PathBuf, String),
    /// A repository elsewhere sends more, or takes longer, than it may.
    #[error("the repository {place}: to fetch it takes more than {limit} {what}, which is the most that is allowed", place = .place.display())]
    Fetched {
        /// The repository.
        place: PathBuf,
        /// The limit.
        limit: u64,
        /// Of what: bytes or seconds.
        what: &'static str,
    },
    /// A file was changed while the image was built.
    #[error("{0} changed while it was read")]
    Changed(String),
    /// A file could not be read, written or encoded.
    #[error("{place}: {1}", place = .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// An image could not be read.
    #[error("{0}")]
    Image(#[from] docteur::Error<io::Error>),
}

impl Error {
    pub(crate) fn io(place: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let place = place.as_ref().to_path_buf();
        move |error| Self::Io(place, error)
    }
}

/// A path as text for people.
pub(crate) fn show(path: &[u8]) -> String {
    if path.is_empty() { "/".into() } else { path.escape_ascii().to_string() }
}
