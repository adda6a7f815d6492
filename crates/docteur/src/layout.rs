//! Format 0, byte by byte. All integers are little-endian and nothing is padded.
//!
//! ```text
//! header, 64 bytes   magic "docteur\0" | version u32 = 0 | files u32 | index length u64 | image length u64 | root [32]
//! index              files x ( path length u16 | path | type length u8 | media type | variants u8 | variants x variant )
//! variant, 41 bytes  encoding u8 | length u64 | SHA-256 of the stored bytes [32]
//! data               the variants' bytes in the index's order, without gaps
//! ```
//!
//! `root` is SHA-256 of the header's first 32 bytes and the index. Paths are absolute, sorted by bytes, and each stands
//! once. A file's first variant is the identity; the others follow by ascending encoding and are smaller than it. So
//! there is one image for a set of files and encodings, and every bit of it is under a hash.

/// The first eight bytes.
pub const MAGIC: [u8; 8] = *b"docteur\0";
/// The version of the format described here.
pub const VERSION: u32 = 0;
/// Bytes before the index.
pub const HEADER: usize = 64;
/// Bytes of the header that the root covers.
pub const ROOTED: usize = 32;
/// Bytes of a variant in the index.
pub const VARIANT: usize = 41;
/// The longest path in bytes.
pub const MAX_PATH: usize = 4096;
/// The longest media type in bytes.
pub const MAX_TYPE: usize = 255;

/// How a file's bytes are stored, with the names of HTTP's content codings (RFC 9110, section 8.4.1).
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

    /// Its byte in the index.
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

/// Whether this is a path an image may hold: absolute, at most [`MAX_PATH`] bytes, each segment neither empty nor `.` nor
/// `..`, without backslashes and control characters.
#[must_use]
pub fn is_path(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    path.len() <= MAX_PATH
        && !path.contains(|c: char| c.is_control() || c == '\\')
        && rest.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
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
        for good in ["/index.html", "/a/b.c", "/é", "/..."] {
            assert!(is_path(good), "{good}");
        }
        for bad in ["", "/", "a", "//", "/a/", "/a//b", "/.", "/../a", "/a/..", "/a\\b", "/a\nb", "/a\0"] {
            assert!(!is_path(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_media_type_cannot_split_a_header() {
        assert!(is_media_type("text/html; charset=utf-8"));
        for bad in ["", "text", "/", "text/", "/html", "text/html\r\nx: y", "té/xt"] {
            assert!(!is_media_type(bad), "{bad:?}");
        }
    }
}
