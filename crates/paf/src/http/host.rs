//! Whose request it is: the host it names, which has to be one, and one alone.
//!
//! Who routes by the host, or writes links with it, must find what the client meant (RFC 9112 section 3.2, RFC 9113 section 8.3.1). The
//! HTTP libraries take any value.

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Version};

/// Whether a request names its host as it must: once in HTTP/1.1, and never by what is no host.
pub(super) fn is_clear(request: &Parts) -> bool {
    let said = request.uri.authority().is_none_or(is_host) && names_at_most_one(&request.headers);
    said && (request.version != Version::HTTP_11 || request.headers.contains_key(HOST))
}

fn names_at_most_one(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let is_good = match hosts.next() {
        // A target without an authority has an empty one (RFC 9112 section 3.2).
        None => true,
        Some(host) if host.is_empty() => true,
        Some(host) => Authority::try_from(host.as_bytes()).is_ok_and(|host| is_host(&host)),
    };
    is_good && hosts.next().is_none()
}

/// Whether it is a host and perhaps a port (RFC 9110 section 7.2), without a user (RFC 9110 section 4.2.4).
fn is_host(authority: &Authority) -> bool {
    let text = authority.as_str();
    let Some(rest) = text.strip_prefix(authority.host()).filter(|_| !text.contains('@')) else { return false };
    rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn is_clear_of(version: Version, target: &str, hosts: &[&str]) -> bool {
        let request = Request::builder().version(version).uri(target);
        let request = hosts.iter().fold(request, |request, host| request.header(HOST, *host));
        is_clear(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn hosts_are_told_from_what_is_none() {
        for (host, good) in [
            ("paste.example", true),
            ("paste.example:8080", true),
            ("127.0.0.1:80", true),
            ("[2001:db8::1]:443", true),
            ("a_b-c.d", true),
            ("a:", true),
            ("", true),
            ("a b", false),
            // Of the grammar, but no name has an escape.
            ("a%20b", false),
            ("a b@c/d", false),
            ("user@a", false),
            ("user:secret@a:1", false),
            ("a/b", false),
            ("a?b", false),
            ("a#b", false),
            ("http://a", false),
            ("a:b", false),
            ("a:1:2", false),
            ("[::1", false),
            ("[::1]x", false),
            ("a, b", false),
            ("a\"b", false),
        ] {
            assert_eq!(is_clear_of(Version::HTTP_11, "/", &[host]), good, "{host:?}");
            assert_eq!(is_clear_of(Version::HTTP_2, "http://a/", &[host]), good, "{host:?}");
        }
    }

    #[test]
    fn a_request_has_as_many_as_its_version_asks_for() {
        assert!(!is_clear_of(Version::HTTP_11, "/", &[]));
        assert!(!is_clear_of(Version::HTTP_11, "http://a/", &[]));
        assert!(is_clear_of(Version::HTTP_11, "http://a/", &["a"]));
        assert!(is_clear_of(Version::HTTP_10, "/", &[]));
        assert!(is_clear_of(Version::HTTP_2, "https://a/", &[]));
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3] {
            assert!(!is_clear_of(version, "/", &["a", "a"]), "{version:?}");
            assert!(!is_clear_of(version, "http://user@a/", &["a"]), "{version:?}");
        }
    }
}
