//! The boundary: the line that separates parts (RFC 2046, section 5.1.1).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::error::{Error, ErrorKind};
use crate::value::ContentType;

/// A boundary that can be searched for: 1 to 200 of RFC 2046's `bchars`, not ending in a space.
///
/// RFC 2046 allows 70; every reader takes more, so reading does too. [`Encoder`](crate::Encoder) writes no more than 70.
#[derive(Clone, PartialEq, Eq)]
pub struct Boundary {
    /// CR LF `--` boundary: what is searched for.
    delimiter: Box<[u8]>,
}

const LINE: usize = 4;

/// The boundary in the value of a Content-Type header; the same as [`Boundary::from_content_type`].
///
/// # Errors
/// See there.
pub fn boundary_of(content_type: &[u8]) -> Result<Boundary, Error> {
    Boundary::from_content_type(content_type)
}

impl Boundary {
    /// The most bytes that reading accepts.
    pub const MAX: usize = 200;
    /// The most bytes that RFC 2046 allows, and that are written.
    pub const MAX_WRITTEN: usize = 70;

    /// The boundary of this text, without the leading `--` of a delimiter line.
    ///
    /// # Errors
    /// [`ErrorKind::BadBoundary`] for no bytes at all, other bytes than `bchars`, a space at the end, or more than
    /// [`MAX`](Self::MAX) bytes.
    pub fn new(text: impl AsRef<[u8]>) -> Result<Self, Error> {
        let text = text.as_ref();
        if text.is_empty() || text.len() > Self::MAX || text.ends_with(b" ") || !text.iter().all(|&b| is_bchar(b)) {
            return Err(Error::new(ErrorKind::BadBoundary));
        }
        let mut delimiter = Vec::with_capacity(LINE + text.len());
        delimiter.extend_from_slice(b"\r\n--");
        delimiter.extend_from_slice(text);
        Ok(Self { delimiter: delimiter.into() })
    }

    /// The boundary in the value of a Content-Type header, of any `multipart/*` type.
    ///
    /// # Errors
    /// [`ErrorKind::NotMultipart`], [`ErrorKind::NoBoundary`], or [`ErrorKind::BadBoundary`] (also for several boundaries).
    pub fn from_content_type(value: &[u8]) -> Result<Self, Error> {
        let value = ContentType::parse(value).ok_or_else(|| Error::new(ErrorKind::NotMultipart))?;
        if !value.is_multipart() {
            return Err(Error::new(ErrorKind::NotMultipart));
        }
        value.boundary()
    }

    /// The boundary in the value of a Content-Type header that has to be `multipart/form-data`.
    ///
    /// # Errors
    /// As [`from_content_type`](Self::from_content_type), and [`ErrorKind::NotFormData`] for another multipart.
    pub fn from_form_content_type(value: &[u8]) -> Result<Self, Error> {
        let boundary = Self::from_content_type(value)?;
        match ContentType::parse(value) {
            Some(value) if value.is("multipart", "form-data") => Ok(boundary),
            _ => Err(Error::new(ErrorKind::NotFormData)),
        }
    }

    /// A boundary from 18 uniformly random bytes of the caller's CSPRNG: 24 letters, digits, `-` and `_` behind a fixed
    /// word. That a body holds it by chance has odds of 2^-144 a position.
    #[must_use]
    pub fn from_random(random: &[u8; 18]) -> Self {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut delimiter = Vec::with_capacity(LINE + 16 + 24);
        delimiter.extend_from_slice(b"\r\n------FormBoundary");
        for three in random.chunks_exact(3) {
            let bits = three.iter().fold(0, |bits, &b| bits << 8 | usize::from(b));
            delimiter.extend([18, 12, 6, 0].map(|shift| DIGITS[bits >> shift & 63]));
        }
        Self { delimiter: delimiter.into() }
    }

    /// The boundary's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Every bchar is ASCII.
        core::str::from_utf8(&self.delimiter[LINE..]).unwrap_or_default()
    }

    /// CR LF `--` boundary.
    pub(crate) fn delimiter(&self) -> &[u8] {
        &self.delimiter
    }
}

impl FromStr for Boundary {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::new(text)
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Boundary({:?})", self.as_str())
    }
}

pub(crate) fn is_bchar(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn takes_bchars_alone() {
        assert_eq!(Boundary::new("a b'()+_,-./:=?").unwrap().to_string(), "a b'()+_,-./:=?");
        for bad in ["", "a ", "a\r\nb", "é", "a\"", "a*", &"x".repeat(201)] {
            assert_eq!(Boundary::new(bad).unwrap_err().kind(), ErrorKind::BadBoundary, "{bad}");
        }
        assert!(Boundary::new("x".repeat(200)).is_ok());
    }

    #[test]
    fn random_boundaries_are_boundaries() {
        let boundary = Boundary::from_random(&[0xff; 18]);
        assert_eq!(Boundary::new(boundary.as_str()).unwrap(), boundary);
        assert_eq!(boundary.as_str(), "----FormBoundary________________________");
    }
}
