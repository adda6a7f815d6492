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
    /// A symbolic link that leads nowhere that could be told.
    #[error(
        "{0} is a symbolic link whose target is empty, has a NUL, or is longer than 4096 bytes: no file system takes it"
    )]
    Target(String),
    /// Text that is no media type.
    #[error("{0:?} is no media type")]
    MediaType(String),
    /// A path was given twice.
    #[error("{0} is there twice")]
    Twice(String),
    /// A path's folder is missing, or is no folder.
    #[error("{0} is in no folder")]
    Parent(String),
    /// Hard links of each other that are not one file.
    #[error("{0} is a hard link of another path, and has another content, mode, time or attribute than it")]
    Linked(String),
    /// A ready-made encoding of something else, or one that a browser does not take.
    #[error("the {name} encoding of {0} does not decode to its content", name = format!("{:?}", .1).to_lowercase())]
    Encoding(String, docteur::Encoding),
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

/// What a tree's [`read_at`](crate::Tree::read_at) says, inside an [`io::Error`], where the file is not what it was: [`Error::Changed`] then.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it changed meanwhile")]
pub(crate) struct Moved;

impl Error {
    /// Why the file at `path` could not be read.
    pub(crate) fn read(path: &[u8], error: io::Error) -> Self {
        match error.get_ref().is_some_and(|inner| inner.is::<Moved>()) {
            true => Self::Changed(show(path)),
            false => Self::Io(show(path).into(), error),
        }
    }

    pub(crate) fn io(place: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let place = place.as_ref().to_path_buf();
        move |error| Self::Io(place, error)
    }
}

/// A path as text for people; the root's is `/`.
pub(crate) fn show(path: &[u8]) -> String {
    if path.is_empty() { "/".into() } else { shown(path) }
}

/// A name of any bytes on one line: as it is where that is text, and with escapes for a backslash, for bytes that are no UTF-8, and for all
/// that could move a terminal's cursor or turn the direction of what follows.
#[must_use]
pub fn shown(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            let hidden =
                matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
            if c == '\\' || c.is_control() || hidden {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        out.extend(chunk.invalid().iter().flat_map(|byte| byte.escape_ascii()).map(char::from));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_on_one_line() {
        for (name, text) in [
            (&b"a 'b' \"c\""[..], "a 'b' \"c\""),
            ("größe \u{65E5}\u{672C} e\u{301}".as_bytes(), "größe \u{65E5}\u{672C} e\u{301}"),
            (b"\x1b[2J\n\t\x7f\\", "\\u{1b}[2J\\n\\t\\u{7f}\\\\"),
            (b"\xff\xc3", "\\xff\\xc3"),
            ("gnp.\u{202E}exe\u{9B}1m".as_bytes(), "gnp.\\u{202e}exe\\u{9b}1m"),
        ] {
            assert_eq!(shown(name), text);
        }
        assert_eq!((show(b""), shown(b"")), ("/".into(), String::new()));
    }
}
