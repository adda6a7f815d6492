//! Where a server or a paste is: addresses from the command line.

use api::{Id, Token};
use envelope::{Link, LinkError, LinkSecret};
use ureq::http::Uri;

use crate::failure::Failure;

/// A server's address as the command line gives it: `https://HOST[:PORT][/PREFIX]`, in the form that links begin with.
pub(crate) fn server_address(text: &str) -> Result<String, String> {
    let text = text.trim().trim_end_matches('/');
    let uri: Uri = text.parse().map_err(|_| "a server's address is like https://paste.example".to_owned())?;
    let scheme = uri.scheme_str().unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        return Err("a server's address begins with https:// or http://".into());
    }
    let Some(authority) = uri.authority().filter(|a| !a.host().is_empty()) else {
        return Err("a server's address needs a host".into());
    };
    if authority.as_str().contains('@') || uri.query().is_some() || text.contains('#') {
        return Err("a server's address holds neither user, query nor fragment".into());
    }
    let address = format!("{scheme}://{}{}", authority.as_str().to_ascii_lowercase(), uri.path().trim_end_matches('/'));
    // What links cannot hold would only show once the paste is stored.
    let id = Id::from_random(&[0; Id::LEN]).ok_or("no id")?;
    let trial = Link { base: address.clone(), id, secret: LinkSecret::from_bytes([0; 32]) };
    match Link::parse(&trial.to_url()) {
        Ok(link) if link.base == address => Ok(address),
        _ => Err("a server's address has plain letters, digits, '.', '-', '_' and '~' alone in host and path".into()),
    }
}

/// Where a paste lies. Its secret is not needed to ask about it or to delete it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) base: String,
    pub(crate) id: Id,
}

impl Place {
    /// Reads a link, with or without the part after `#`. Where that part is there and damaged, the id may be as well:
    /// it is refused.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        match Link::parse(text) {
            Ok(link) => return Ok(Self { base: link.base, id: link.id }),
            Err(LinkError::Missing) => {}
            Err(e) => return Err(Failure::Link(e.to_string())),
        }
        let address = text.trim().trim_end_matches('#');
        let (base, id) = address.rsplit_once('/').unwrap_or(("", address));
        let id = id.parse().map_err(|_| Failure::Link(LinkError::Id.to_string()))?;
        Ok(Self { base: server_address(base).map_err(Failure::Link)?, id })
    }
}

/// Reads a token from the command line or a file.
pub(crate) fn token(text: &str) -> Result<Token, Failure> {
    text.trim().parse().map_err(|e: api::TokenError| Failure::SecretNeeded(format!("the delete token is none: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_address_is_made_uniform() {
        for (text, address) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("HTTPS://Paste.Example/", "https://paste.example"),
            ("https://a.example/p/", "https://a.example/p"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(server_address(text).as_deref(), Ok(address));
        }
        for bad in
            ["", "paste.example", "ftp://a", "https://", "https://u:p@a", "https://a?b", "https://a#b", "https://a/b c"]
        {
            assert!(server_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_paste_is_found_with_and_without_its_secret() {
        let fragment = LinkSecret::from_bytes([3; 32]).fragment();
        for text in ["https://a.example/1z1z23456789", &format!("https://a.example/1z1z23456789#{}", *fragment)] {
            let place = Place::parse(text).unwrap();
            assert_eq!((place.base.as_str(), place.id.as_str()), ("https://a.example", "1z1z23456789"));
        }
        for bad in ["", "1z1z23456789", "https://a.example", "https://a.example/x", "https://a.example/1z1z23456789#1x"]
        {
            assert_eq!(Place::parse(bad).unwrap_err().code(), crate::failure::code::SECRET, "{bad}");
        }
    }
}
