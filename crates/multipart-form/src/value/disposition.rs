//! Content-Disposition as forms send it: RFC 7578 section 4.2, what browsers write (WHATWG), and what older ones wrote.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::{is_token, trim};

/// A Content-Disposition's parts, as places in the value it was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    kind: Range<u32>,
    name: Option<Text>,
    filename: Option<Text>,
    extended: Option<Range<u32>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Text {
    at: Range<u32>,
    quoted: bool,
}

/// A Content-Disposition, borrowed from the header.
///
/// In a quoted string `\"` is a quote and any other backslash stands for itself, since browsers send Windows paths
/// unescaped; then exactly `%22`, `%0D` and `%0A` are decoded, as WHATWG's forms encode them.
#[derive(Clone, Debug)]
pub struct Disposition<'a> {
    value: &'a [u8],
    places: Cow<'a, Places>,
}

impl<'a> Disposition<'a> {
    /// Reads a header's value.
    ///
    /// # Errors
    /// How it breaks the grammar: a string without its end, something behind a string's end, a second name or filename.
    pub fn parse(value: &'a [u8]) -> Result<Self, &'static str> {
        Ok(Self { value, places: Cow::Owned(Places::parse(value)?) })
    }

    pub(crate) fn read(value: &'a [u8], places: &'a Places) -> Self {
        Self { value, places: Cow::Borrowed(places) }
    }

    /// Its type, as sent: `form-data`.
    #[must_use]
    pub fn kind(&self) -> &'a [u8] {
        slice(self.value, &self.places.kind)
    }

    /// Whether its type is `form-data`.
    #[must_use]
    pub fn is_form_data(&self) -> bool {
        self.kind().eq_ignore_ascii_case(b"form-data")
    }

    /// The name's bytes, unescaped.
    #[must_use]
    pub fn name(&self) -> Option<Cow<'a, [u8]>> {
        self.places.name.as_ref().map(|t| unescape(slice(self.value, &t.at), t.quoted))
    }

    /// The plain file name's bytes, unescaped and otherwise as sent: a path stays a path.
    #[must_use]
    pub fn filename_raw(&self) -> Option<Cow<'a, [u8]>> {
        self.places.filename.as_ref().map(|t| unescape(slice(self.value, &t.at), t.quoted))
    }

    /// The file name as text: the plain one, with U+FFFD for what is not UTF-8; where there is none, a valid `filename*`
    /// (RFC 8187), which RFC 7578 forbids to send but some do.
    #[must_use]
    pub fn filename(&self) -> Option<Cow<'a, str>> {
        match self.filename_raw() {
            Some(bytes) => Some(lossy(bytes)),
            None => extended(slice(self.value, self.places.extended.as_ref()?)).map(Cow::Owned),
        }
    }

    /// The value of `filename*`, undecoded.
    #[must_use]
    pub fn filename_extended(&self) -> Option<&'a [u8]> {
        self.places.extended.as_ref().map(|at| slice(self.value, at))
    }
}

fn slice<'a>(value: &'a [u8], at: &Range<u32>) -> &'a [u8] {
    value.get(at.start as usize..at.end as usize).unwrap_or_default()
}

/// UTF-8 with U+FFFD for what is none, without a copy where there is nothing to replace.
pub(crate) fn lossy(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

impl Places {
    /// Bytes of the name and of the longer file name, as sent.
    pub(crate) fn lengths(&self) -> (usize, usize) {
        let plain = self.filename.as_ref().map_or(0, |t| t.at.len());
        let extended = self.extended.as_ref().map_or(0, ExactSizeIterator::len);
        (self.name.as_ref().map_or(0, |t| t.at.len()), plain.max(extended))
    }

    pub(crate) fn parse(value: &[u8]) -> Result<Self, &'static str> {
        // Header limits keep values far below 4 GiB; a longer one would be cut, so it is refused.
        if u32::try_from(value.len()).is_err() {
            return Err("a value of 4 GiB or more");
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        let place = |from: usize, to: usize| from as u32..to as u32;
        let mut places = Self::default();
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let kind = trim(&value[..end]);
        let start = value.iter().position(|&b| b != b' ' && b != b'\t').unwrap_or(0).min(end);
        places.kind = place(start, start + kind.len());
        let mut at = end;
        while at < value.len() {
            if matches!(value[at], b' ' | b'\t' | b';') {
                at += 1;
                continue;
            }
            let name = at;
            at = run(value, at, is_token);
            let name = &value[name..at];
            at = run(value, at, is_space);
            match value.get(at) {
                Some(b'=') if !name.is_empty() => at = run(value, at + 1, is_space),
                None | Some(b';') => continue,
                Some(_) => return Err("a parameter that is none in Content-Disposition"),
            }
            let (text, next) = if value.get(at) == Some(&b'"') {
                let end = closing_quote(value, at + 1).ok_or("a string without its end in Content-Disposition")?;
                let next = run(value, end + 1, is_space);
                if !matches!(value.get(next), None | Some(b';')) {
                    return Err("text behind a string's end in Content-Disposition");
                }
                (Text { at: place(at + 1, end), quoted: true }, next)
            } else {
                let next = memchr::memchr(b';', &value[at..]).map_or(value.len(), |n| at + n);
                let raw = trim(&value[at..next]);
                if memchr::memchr(b'"', raw).is_some() {
                    return Err("a quote inside an unquoted value in Content-Disposition");
                }
                (Text { at: place(at, at + raw.len()), quoted: false }, next)
            };
            at = next;
            if name.eq_ignore_ascii_case(b"name") {
                if places.name.replace(text).is_some() {
                    return Err("two names in Content-Disposition");
                }
            } else if name.eq_ignore_ascii_case(b"filename") {
                if places.filename.replace(text).is_some() {
                    return Err("two file names in Content-Disposition");
                }
            } else if name.eq_ignore_ascii_case(b"filename*") {
                places.extended.get_or_insert(text.at);
            }
        }
        Ok(places)
    }
}

fn is_space(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

fn run(value: &[u8], from: usize, of: impl Fn(u8) -> bool) -> usize {
    value[from..].iter().position(|&b| !of(b)).map_or(value.len(), |n| from + n)
}

/// Where the string that begins at `from` ends. `\"` does not end it, unless only a parameter or nothing follows: then the
/// backslash is the last character of a Windows path. Every look ahead stops at the next quote or backslash at the latest,
/// so that all of them together are linear.
fn closing_quote(value: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let quote = from + memchr::memchr(b'"', &value[from..])?;
        if quote > from && value[quote - 1] == b'\\' && !ends_value(value, quote + 1) {
            from = quote + 1;
            continue;
        }
        return Some(quote);
    }
}

/// Whether nothing, or `; name=`, follows.
fn ends_value(value: &[u8], from: usize) -> bool {
    let at = run(value, from, is_space);
    match value.get(at) {
        None => true,
        Some(b';') => {
            let name = run(value, at + 1, is_space);
            let end = run(value, name, is_token);
            end == value.len() && name == end || end > name && value.get(run(value, end, is_space)) == Some(&b'=')
        }
        Some(_) => false,
    }
}

fn unescape(raw: &[u8], quoted: bool) -> Cow<'_, [u8]> {
    if !quoted || memchr::memchr2(b'\\', b'%', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        let (byte, len) = match &raw[at..] {
            [b'\\', b'"', ..] => (b'"', 2),
            [b'%', b'2', b'2', ..] => (b'"', 3),
            [b'%', b'0', b'D', ..] => (b'\r', 3),
            [b'%', b'0', b'A', ..] => (b'\n', 3),
            [other, ..] => (*other, 1),
            [] => break,
        };
        out.push(byte);
        at += len;
    }
    Cow::Owned(out)
}

/// `charset'language'percent-encoded` of RFC 8187, in UTF-8 or ISO-8859-1; `None` where it is not valid.
fn extended(value: &[u8]) -> Option<String> {
    let mut pieces = value.splitn(3, |&b| b == b'\'');
    let (charset, _language, text) = (pieces.next()?, pieces.next()?, pieces.next()?);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [b, after @ ..] = rest {
        rest = after;
        match b {
            b'%' => {
                let [high, low, after @ ..] = after else { return None };
                bytes.push(hex(*high)? << 4 | hex(*low)?);
                rest = after;
            }
            // attr-char
            _ if is_token(*b) && !b"'*".contains(b) => bytes.push(*b),
            _ => return None,
        }
    }
    if charset.eq_ignore_ascii_case(b"utf-8") {
        String::from_utf8(bytes).ok()
    } else if charset.eq_ignore_ascii_case(b"iso-8859-1") {
        Some(bytes.into_iter().map(char::from).collect())
    } else {
        None
    }
}

pub(crate) fn hex(digit: u8) -> Option<u8> {
    #[expect(clippy::cast_possible_truncation, reason = "a hexadecimal digit is below 16")]
    char::from(digit).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn both(value: &str) -> (Option<String>, Option<String>) {
        let read = Disposition::parse(value.as_bytes()).unwrap();
        (read.name().map(|n| lossy(n).to_string()), read.filename().map(|n| n.to_string()))
    }

    #[test]
    fn a_backslash_at_the_end_of_a_path() {
        let some = |text: &str| Some(text.to_string());
        assert_eq!(both(r#"form-data; name="a"; filename="C:\dir\""#), (some("a"), some("C:\\dir\\")));
        assert_eq!(both(r#"form-data; filename="C:\dir\" ; name="a""#), (some("a"), some("C:\\dir\\")));
        assert_eq!(both(r#"form-data; filename="x\"; y"; name=a"#), (some("a"), some("x\"; y")));
        assert_eq!(both(r#"form-data; filename="C:\dir\";"#), (None, some("C:\\dir\\")));
    }

    #[test]
    fn refuses_what_readers_disagree_on() {
        for bad in [
            r#"form-data; name="a"#,
            r#"form-data; name="a"b"#,
            r#"form-data; name="a"; name="b""#,
            r#"form-data; name=a; NAME="b""#,
            r#"form-data; filename="a"; filename=b"#,
            r#"form-data; name=a"b"#,
            r#"form-data; ="b""#,
            r#"form-data; (comment)"#,
        ] {
            assert!(Disposition::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn extended_names_stand_in_only_where_alone_and_valid() {
        assert_eq!(both("form-data; filename*=ISO-8859-1'en'n%E4me").1.as_deref(), Some("näme"));
        assert_eq!(both("form-data; filename*=utf-8''%ff").1, None);
        assert_eq!(both("form-data; filename*=utf-16''a").1, None);
        assert_eq!(both("form-data; filename*=utf-8''a b").1, None);
        assert_eq!(both("form-data; filename*0=a; filename*1=b").1, None);
    }
}
