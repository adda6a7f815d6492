//! Bodies as text: which charset a form's fields are in (RFC 7578, sections 4.6 and 5.1.2).

use alloc::borrow::Cow;
use alloc::string::String;

use crate::head::Head;

/// A charset that can be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Charset {
    /// UTF-8, and US-ASCII within it.
    #[default]
    Utf8,
    /// windows-1252, which ISO-8859-1 and US-ASCII labels mean to every browser (WHATWG Encoding).
    Windows1252,
    /// UTF-16, little-endian.
    Utf16Le,
    /// UTF-16, big-endian.
    Utf16Be,
}

/// The charset of a form's text fields: a field's own `charset` parameter, else what the form's `_charset_` field says, else
/// UTF-8. Labels of charsets that are not known here count as missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Charsets {
    form: Option<Charset>,
}

impl Charset {
    /// The charset of a label, whatever its case.
    #[must_use]
    pub fn of_label(label: &[u8]) -> Option<Self> {
        let label = label.trim_ascii();
        let any = |names: &[&str]| names.iter().any(|name| label.eq_ignore_ascii_case(name.as_bytes()));
        if any(&["utf-8", "utf8", "unicode-1-1-utf-8"]) {
            Some(Self::Utf8)
        } else if any(&[
            "iso-8859-1",
            "iso8859-1",
            "iso_8859-1",
            "latin1",
            "l1",
            "windows-1252",
            "cp1252",
            "x-cp1252",
            "us-ascii",
            "ascii",
        ]) {
            Some(Self::Windows1252)
        } else if any(&["utf-16le", "utf-16"]) {
            Some(Self::Utf16Le)
        } else if any(&["utf-16be"]) {
            Some(Self::Utf16Be)
        } else {
            None
        }
    }

    /// The text, with U+FFFD for what the charset does not allow. A byte order mark is kept.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes),
            Self::Windows1252 if bytes.is_ascii() => String::from_utf8_lossy(bytes),
            Self::Windows1252 => bytes.iter().map(|&b| windows_1252(b)).collect(),
            Self::Utf16Le => utf16(bytes, u16::from_le_bytes),
            Self::Utf16Be => utf16(bytes, u16::from_be_bytes),
        }
    }
}

impl Charsets {
    /// Tells it of a field's body, before the fields it may concern: it takes note of `_charset_`.
    pub fn observe(&mut self, head: &Head<'_>, body: &[u8]) {
        if head.name_raw().as_deref() == Some(b"_charset_") {
            self.observe_label(body);
        }
    }

    /// Tells it of the `_charset_` field's body.
    pub fn observe_label(&mut self, body: &[u8]) {
        self.form = Charset::of_label(body).or(self.form);
    }

    /// The charset of a part.
    #[must_use]
    pub fn of(&self, head: &Head<'_>) -> Charset {
        let own = head.content_type().and_then(|value| Charset::of_label(&value.param("charset")?));
        own.or(self.form).unwrap_or_default()
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'static, str> {
    let pairs = bytes.chunks_exact(2);
    let odd = !pairs.remainder().is_empty();
    let units = pairs.map(|pair| unit([pair[0], pair[1]]));
    let mut text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    if odd {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    Cow::Owned(text)
}

fn windows_1252(b: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match b {
        0x80..0xa0 => HIGH[usize::from(b - 0x80)],
        _ => char::from(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes() {
        assert_eq!(Charset::of_label(b" ISO-8859-1\r\n").unwrap().decode(b"n\xe4me \x80"), "näme €");
        assert_eq!(Charset::Utf8.decode(b"n\xe4me"), "n\u{fffd}me");
        assert_eq!(Charset::Utf16Le.decode(b"a\0\x3d\xd8\0"), "a\u{fffd}\u{fffd}");
        assert_eq!(Charset::Utf16Be.decode(b"\0a"), "a");
        assert_eq!(Charset::of_label(b"klingon"), None);
    }
}
