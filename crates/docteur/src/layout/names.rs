//! Paths, media types and encodings.

use core::cmp::Ordering;

use super::{MAX_NAME, MAX_PATH, MAX_TYPE};

/// How a file's bytes are encoded, with the names of HTTP's content codings (RFC 9110, section 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// As they are.
    Identity,
    /// Brotli, RFC 7932.
    Brotli,
    /// Zstandard, RFC 8878.
    Zstd,
    /// Gzip, RFC 1952.
    Gzip,
}

impl Encoding {
    /// All of them, ascending.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Brotli, Self::Zstd, Self::Gzip];

    /// Its byte in a record.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Identity => 0,
            Self::Brotli => 1,
            Self::Zstd => 2,
            Self::Gzip => 3,
        }
    }

    /// The encoding with this byte.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Its token in `Content-Encoding` and `Accept-Encoding`.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
}

/// Whether this is a path an image may hold: empty (the root), or names of any bytes but `/` and NUL joined by `/`, none of them
/// empty, `.` or `..`, within [`MAX_NAME`] and [`MAX_PATH`].
#[must_use]
pub fn is_path(path: &[u8]) -> bool {
    is_path_after(path, 0)
}

/// The same of a path of which the first `known` bytes begin such a path.
#[must_use]
pub(super) fn is_path_after(path: &[u8], known: usize) -> bool {
    let known = path.get(..known).unwrap_or_default();
    let from = known.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
    let rest = path.get(from..).unwrap_or_default();
    path.is_empty()
        || path.len() <= MAX_PATH
            && !rest.contains(&0)
            && rest.split(|b| *b == b'/').all(|name| !matches!(name, b"" | b"." | b"..") && name.len() <= MAX_NAME)
}

/// The order of paths in an image: by bytes, but `/` sorts before every other byte. So a folder is followed by all that is in it.
#[must_use]
pub fn order(a: &[u8], b: &[u8]) -> Ordering {
    let shared = shared(a, b);
    let rank = |path: &[u8]| match path.get(shared) {
        None => 0,
        Some(b'/') => 1,
        // No path holds a zero byte.
        Some(byte) => u16::from(*byte) + 1,
    };
    rank(a).cmp(&rank(b))
}

/// How many bytes two paths begin with in common.
pub(super) fn shared(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Whether this may be sent as a `Content-Type`: printable ASCII with a slash, at most [`MAX_TYPE`] bytes.
#[must_use]
pub fn is_media_type(text: &str) -> bool {
    text.len() <= MAX_TYPE
        && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
        && text.split_once('/').is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_there_and_back() {
        for encoding in Encoding::ALL {
            assert_eq!(Encoding::from_code(encoding.code()), Some(encoding));
        }
        assert_eq!(Encoding::from_code(4), None);
    }

    #[test]
    fn a_path_leads_nowhere_else() {
        for good in [&b""[..], b"index.html", b"a/b.c", b"\xff\xfe/\n", b"...", b"a\\b"] {
            assert!(is_path(good), "{good:?}");
        }
        for bad in [&b"/"[..], b"/a", b"a/", b"a//b", b".", b"../a", b"a/..", b"a/./b", b"a\0", &[b'a'; 256]] {
            assert!(!is_path(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_folder_is_followed_by_what_is_in_it() {
        let mut paths = [&b"a-b"[..], b"a/z", b"a", b"a/b/c", b"b", b"a/b", b"", b"a\x01", b"a/b-"];
        paths.sort_by(|a, b| order(a, b));
        assert_eq!(paths, [&b""[..], b"a", b"a/b", b"a/b/c", b"a/b-", b"a/z", b"a\x01", b"a-b", b"b"]);
    }

    #[test]
    fn a_media_type_cannot_split_a_header() {
        assert!(is_media_type("text/html; charset=utf-8"));
        for bad in ["", "text", "/", "text/", "/html", "text/html\r\nx: y", "té/xt"] {
            assert!(!is_media_type(bad), "{bad:?}");
        }
    }
}
