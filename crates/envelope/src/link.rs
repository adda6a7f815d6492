//! The link a user shares.

use alloc::string::String;
use core::fmt;

use api::Id;
use zeroize::Zeroizing;

use crate::secret::LinkSecret;

/// The longest link, in bytes.
const MAX_LINK: usize = 2048;

/// `BASE/ID#FRAGMENT`: where a paste lies, and what opens it.
#[derive(Clone, Debug)]
pub struct Link {
    /// `https://HOST` or `http://HOST`, with a port and a path prefix where the server has them, without a slash at its
    /// end.
    pub base: String,
    /// The paste's id.
    pub id: Id,
    /// What the fragment carries.
    pub secret: LinkSecret,
}

impl Link {
    /// Reads a link. White space around it is passed over; scheme and host come out in lower case. Where some program put
    /// `%23` in place of its `#`, it is read all the same: no address before it can hold that.
    ///
    /// # Errors
    /// [`LinkError`]: not an http(s) address of a paste, or a damaged fragment. It never holds a part of the secret.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        if text.len() > MAX_LINK {
            return Err(LinkError::TooLong);
        }
        let parts = text.split_once('#').or_else(|| text.split_once("%23"));
        let (address, fragment) = parts.unwrap_or((text, ""));
        let (scheme, rest) = address.split_once("://").ok_or(LinkError::Scheme)?;
        let scheme = match scheme {
            s if s.eq_ignore_ascii_case("https") => "https",
            s if s.eq_ignore_ascii_case("http") => "http",
            _ => return Err(LinkError::Scheme),
        };
        let (place, id) = rest.rsplit_once('/').ok_or(LinkError::Id)?;
        let (host, prefix) = match place.split_once('/') {
            Some((host, prefix)) => (host, Some(prefix)),
            None => (place, None),
        };
        if !is_host(host) {
            return Err(LinkError::Host);
        }
        if !prefix.is_none_or(|p| p.split('/').all(is_step)) {
            return Err(LinkError::Path);
        }
        let id = id.parse().map_err(|_| LinkError::Id)?;
        let secret = LinkSecret::parse_fragment(fragment)?;

        let mut base = String::with_capacity(address.len());
        base.push_str(scheme);
        base.push_str("://");
        base.extend(host.chars().map(|c| c.to_ascii_lowercase()));
        if let Some(prefix) = prefix {
            base.push('/');
            base.push_str(prefix);
        }
        Ok(Self { base, id, secret })
    }

    /// The link's text.
    #[must_use]
    pub fn to_url(&self) -> Zeroizing<String> {
        let fragment = self.secret.fragment();
        let len = self.base.len() + 1 + Id::LEN + 1 + fragment.len();
        // Sized at once: growing would leave copies of the secret behind.
        let mut url = Zeroizing::new(String::with_capacity(len));
        for piece in [&self.base, "/", self.id.as_str(), "#", &fragment] {
            url.push_str(piece);
        }
        url
    }
}

/// A name, an IPv4 address or a bracketed IPv6 address, with or without a port; no user name, nothing a browser would
/// read otherwise.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((address, rest)) => {
            let ok = !address.is_empty() && address.bytes().all(|c| c.is_ascii_hexdigit() || c == b':' || c == b'.');
            if !ok {
                return false;
            }
            match rest.strip_prefix(':') {
                Some(port) => (None, Some(port)),
                None if rest.is_empty() => (None, None),
                None => return false,
            }
        }
        None => match host.split_once(':') {
            Some((name, port)) => (Some(name), Some(port)),
            None => (Some(host), None),
        },
    };
    let name_ok = name.is_none_or(|n| {
        !n.is_empty()
            && n.len() <= 253
            && n.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_'))
    });
    let port_ok = port.is_none_or(|p| p.bytes().all(|c| c.is_ascii_digit()) && p.parse::<u16>().is_ok_and(|p| p > 0));
    name_ok && port_ok
}

fn is_step(step: &str) -> bool {
    !matches!(step, "" | "." | "..")
        && step.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_' | b'~'))
}

/// Why a text is not a link to a paste.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkError {
    /// It is longer than any link.
    TooLong,
    /// It does not begin with `https://` or `http://`.
    Scheme,
    /// Its host is not one.
    Host,
    /// Its path holds what no server's prefix has.
    Path,
    /// Its path does not end with a paste's id.
    Id,
    /// There is nothing after `#`, or no `#`.
    Missing,
    /// Its fragment begins with another version's letter.
    Version,
    /// Its fragment has a character no fragment has.
    Letter,
    /// The fragment's end is missing.
    Cut {
        /// How many characters are missing.
        missing: usize,
    },
    /// Something was added to the fragment's end.
    Longer {
        /// How many characters there are too many.
        extra: usize,
    },
    /// The fragment has the right length, but its check does not match.
    Mistyped,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "this is longer than any link to a paste ({MAX_LINK} bytes)"),
            Self::Scheme => f.write_str("a link to a paste begins with https:// or http://"),
            Self::Host => f.write_str("the link's host is not a host name or address"),
            Self::Path => f.write_str("the link's path has a part that no link to a paste has"),
            Self::Id => f.write_str("the link does not name a paste: before # its path ends with an id of 12 letters"),
            Self::Missing => f.write_str("the link has no key: the part after # is missing"),
            Self::Version => f.write_str(
                "the part after # begins with an unknown version: the link is damaged, or made by a newer version",
            ),
            Self::Letter => f.write_str("the part after # has a character that no link has"),
            Self::Cut { missing } => write!(f, "the link was cut: its end is missing ({})", Characters(*missing)),
            Self::Longer { extra } => write!(f, "the link has {} too many at its end", Characters(*extra)),
            Self::Mistyped => f.write_str("the part after # is mistyped: its check does not match"),
        }
    }
}

impl core::error::Error for LinkError {}

struct Characters(usize);

impl fmt::Display for Characters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} character{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment() -> String {
        LinkSecret::from_bytes([3; 32]).fragment().as_str().into()
    }

    #[test]
    fn reads_what_it_writes() {
        for base in [
            "https://paste.example",
            "http://127.0.0.1:8080",
            "https://[::1]:8443",
            "https://[fe80::1]",
            "https://a.example/p/q~r",
        ] {
            let url = format!("{base}/1z1z23456789#{}", fragment());
            let link = Link::parse(&url).unwrap();
            assert_eq!((link.base.as_str(), link.id.as_str()), (base, "1z1z23456789"));
            assert_eq!(*link.to_url(), url);
            assert!(!format!("{link:?}").contains(&fragment()[..8]));
        }
        let link = Link::parse(&format!("https://a.example/1z1z23456789%23{}", fragment())).unwrap();
        assert_eq!(link.base, "https://a.example");
        let link = Link::parse(&format!(" HTTPS://Paste.Example/P/1z1z23456789#{}\n", fragment())).unwrap();
        assert_eq!(link.base, "https://paste.example/P");
    }

    #[test]
    fn refuses_what_is_no_link() {
        let id = "1z1z23456789";
        for (bad, why) in [
            ("", LinkError::Scheme),
            ("paste.example/1z1z23456789", LinkError::Scheme),
            ("ftp://paste.example/1z1z23456789", LinkError::Scheme),
            ("https://paste.example", LinkError::Id),
            ("https://paste.example/", LinkError::Id),
            ("https://paste.example/1z1z2345678", LinkError::Id),
            ("https://paste.example/1z1z23456789/", LinkError::Id),
            ("https://paste.example/1z1z23456789?x", LinkError::Id),
            ("https:///1z1z23456789", LinkError::Host),
            ("https://me@paste.example/1z1z23456789", LinkError::Host),
            ("https://paste.example:0/1z1z23456789", LinkError::Host),
            ("https://paste.example:+8/1z1z23456789", LinkError::Host),
            ("https://paste.example:65536/1z1z23456789", LinkError::Host),
            ("https://[::1/1z1z23456789", LinkError::Host),
            ("https://[::1]x/1z1z23456789", LinkError::Host),
            ("https://paste .example/1z1z23456789", LinkError::Host),
            ("https://pâte.example/1z1z23456789", LinkError::Host),
            ("https://a.example/../1z1z23456789", LinkError::Path),
            ("https://a.example//1z1z23456789", LinkError::Path),
            ("https://a.example/a?b/1z1z23456789", LinkError::Path),
        ] {
            let text = format!("{bad}#{}", fragment());
            assert_eq!(Link::parse(&text).unwrap_err(), why, "{bad}");
        }
        let no_key = Link::parse(&format!("https://a.example/{id}")).unwrap_err();
        assert_eq!(no_key, LinkError::Missing);
        let cut = Link::parse(&format!("https://a.example/{id}#{}", &fragment()[..48])).unwrap_err();
        assert_eq!(cut, LinkError::Cut { missing: 1 });
        assert_eq!(cut.to_string(), "the link was cut: its end is missing (1 character)");
        assert_eq!(Link::parse(&"h".repeat(MAX_LINK + 1)).unwrap_err(), LinkError::TooLong);
    }
}
