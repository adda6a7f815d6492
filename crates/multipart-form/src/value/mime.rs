//! Content-Type and Content-Transfer-Encoding (RFC 2045, sections 5 and 6).

use alloc::borrow::Cow;

use super::{is_token, trim};
use crate::boundary::Boundary;
use crate::error::{Error, ErrorKind};

/// A Content-Type: `type/subtype; name=value; ...`, borrowed from the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentType<'a> {
    kind: &'a str,
    subtype: &'a str,
    params: &'a [u8],
}

/// The parameters of a [`ContentType`], in their order: name and value, quoted pairs decoded.
/// It ends at the first parameter that breaks the grammar; [`broken`](Self::broken) tells that it did.
#[derive(Clone, Debug)]
pub struct Params<'a> {
    rest: &'a [u8],
    broken: bool,
}

/// A Content-Transfer-Encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransferEncoding {
    /// 7bit, 8bit or binary: the bytes stand for themselves. Also where the header is missing.
    Identity,
    /// base64 (RFC 2045, section 6.8).
    Base64,
    /// quoted-printable (RFC 2045, section 6.7).
    QuotedPrintable,
}

impl<'a> ContentType<'a> {
    /// Reads a header's value; `None` where it has no `type/subtype`.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (full, params) = match memchr::memchr(b';', value) {
            Some(at) => (&value[..at], &value[at..]),
            None => (value, &value[value.len()..]),
        };
        let full = trim(full);
        let slash = memchr::memchr(b'/', full)?;
        let (kind, subtype) = (&full[..slash], &full[slash + 1..]);
        let token = |t: &'a [u8]| {
            if t.is_empty() || !t.iter().all(|&b| is_token(b)) { None } else { core::str::from_utf8(t).ok() }
        };
        Some(Self { kind: token(kind)?, subtype: token(subtype)?, params })
    }

    /// The type, as sent: `text`.
    #[must_use]
    pub fn kind(&self) -> &'a str {
        self.kind
    }

    /// The subtype, as sent: `plain`.
    #[must_use]
    pub fn subtype(&self) -> &'a str {
        self.subtype
    }

    /// Whether it is this type and subtype, whatever their case.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// Whether it is a `multipart/*`.
    #[must_use]
    pub fn is_multipart(&self) -> bool {
        self.kind.eq_ignore_ascii_case("multipart")
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> Params<'a> {
        Params { rest: self.params, broken: false }
    }

    /// The first parameter of this name, whatever its case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.params().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The one boundary parameter.
    ///
    /// # Errors
    /// [`ErrorKind::NoBoundary`] where there is none or it is empty; [`ErrorKind::BadBoundary`] for one that cannot be a boundary,
    /// for two, and for parameters that break the grammar.
    pub fn boundary(&self) -> Result<Boundary, Error> {
        let mut params = self.params();
        let mut found = None;
        for (name, value) in &mut params {
            if name.eq_ignore_ascii_case("boundary") && found.replace(value).is_some() {
                return Err(Error::new(ErrorKind::BadBoundary));
            }
        }
        match found {
            _ if params.broken => Err(Error::new(ErrorKind::BadBoundary)),
            None => Err(Error::new(ErrorKind::NoBoundary)),
            Some(text) if text.is_empty() => Err(Error::new(ErrorKind::NoBoundary)),
            Some(text) => Boundary::new(text),
        }
    }
}

impl Params<'_> {
    /// Whether the rest could not be read.
    #[must_use]
    pub fn broken(&self) -> bool {
        self.broken
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = (&'a str, Cow<'a, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut rest = self.rest;
        while let [b' ' | b'\t' | b';', after @ ..] = rest {
            rest = after;
        }
        self.rest = &[];
        if rest.is_empty() {
            return None;
        }
        let read = parameter(rest);
        self.broken = read.is_none();
        let (name, value, rest) = read?;
        self.rest = rest;
        Some((name, value))
    }
}

/// `name=value`, and what follows it.
#[expect(clippy::type_complexity, reason = "three things, named where it is called")]
fn parameter(from: &[u8]) -> Option<(&str, Cow<'_, [u8]>, &[u8])> {
    let end = from.iter().position(|&b| !is_token(b)).unwrap_or(from.len());
    let name = core::str::from_utf8(&from[..end]).ok().filter(|n| !n.is_empty())?;
    let [b'=', rest @ ..] = skip_spaces(&from[end..]) else { return None };
    let rest = skip_spaces(rest);
    let [b'"', quoted @ ..] = rest else {
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let value = trim(&rest[..end]);
        let plain = value.iter().all(|b| b.is_ascii_graphic() && *b != b'"');
        return plain.then_some((name, Cow::Borrowed(value), &rest[end..]));
    };
    let mut at = memchr::memchr2(b'"', b'\\', quoted)?;
    let value = if quoted[at] == b'"' {
        Cow::Borrowed(&quoted[..at])
    } else {
        let mut value = quoted[..at].to_vec();
        loop {
            match *quoted.get(at)? {
                b'"' => break,
                b'\\' => {
                    value.push(*quoted.get(at + 1)?);
                    at += 2;
                }
                other => {
                    value.push(other);
                    at += 1;
                }
            }
        }
        Cow::Owned(value)
    };
    let rest = skip_spaces(&quoted[at + 1..]);
    matches!(rest, [] | [b';', ..]).then_some((name, value, rest))
}

fn skip_spaces(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

impl TransferEncoding {
    /// Reads a header's value.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownEncoding`].
    pub fn parse(value: &[u8]) -> Result<Self, Error> {
        let value = trim(value);
        let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
        if is("7bit") || is("8bit") || is("binary") {
            Ok(Self::Identity)
        } else if is("base64") {
            Ok(Self::Base64)
        } else if is("quoted-printable") {
            Ok(Self::QuotedPrintable)
        } else {
            Err(Error::new(ErrorKind::UnknownEncoding))
        }
    }

    /// Its name in a header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "binary",
            Self::Base64 => "base64",
            Self::QuotedPrintable => "quoted-printable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_parameters() {
        let value = ContentType::parse(b"Text/Plain;; charset=\"utf\\-8\" ;x = y ; boundary=a:b").unwrap();
        assert!(value.is("text", "plain") && !value.is_multipart());
        assert_eq!(value.param("CHARSET").as_deref(), Some(&b"utf-8"[..]));
        assert_eq!(value.param("x").as_deref(), Some(&b"y"[..]));
        assert_eq!(value.boundary().unwrap().as_str(), "a:b");
        assert!(ContentType::parse(b"text").is_none());
        assert!(ContentType::parse(b"te xt/plain").is_none());
    }

    #[test]
    fn one_boundary_and_only_one() {
        let kind = |value: &[u8]| Boundary::from_content_type(value).unwrap_err().kind();
        assert_eq!(kind(b"multipart/mixed; boundary=a; boundary=a"), ErrorKind::BadBoundary);
        assert_eq!(kind(b"multipart/mixed; boundary=\"a"), ErrorKind::BadBoundary);
        assert_eq!(kind(b"multipart/mixed; boundary=\"a\"b"), ErrorKind::BadBoundary);
        assert_eq!(kind(b"multipart/mixed; boundary=a b"), ErrorKind::BadBoundary);
        assert_eq!(kind(b"multipart/mixed; boundary=\"\""), ErrorKind::NoBoundary);
        assert_eq!(kind(b"multipart; boundary=a"), ErrorKind::NotMultipart);
        assert_eq!(kind(b""), ErrorKind::NotMultipart);
    }
}
