//! Target: what is read as a link is written as one that reads the same, and no error shows a part of it.

use envelope::{Link, LinkSecret};

/// A link.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Link::parse(text) {
        Ok(link) => {
            let url = link.to_url();
            let again = Link::parse(&url).unwrap();
            assert_eq!((&again.base, &again.id), (&link.base, &link.id));
            assert_eq!(*again.to_url(), *url);
            assert!(text.trim().ends_with(&*link.secret.fragment()));
        }
        Err(error) => assert!(error.to_string().len() < 200),
    }
    if let Ok(secret) = LinkSecret::parse_fragment(text) {
        assert_eq!(text.strip_prefix('#').unwrap_or(text), secret.fragment().as_str());
    }
}
