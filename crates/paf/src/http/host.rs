//! Whose request it is: the host it names, which has to be one, and one alone.
//!
//! Who routes by the host, or writes links with it, must find what the client meant (RFC 9112 section 3.2, RFC 9113 section 8.3.1). The
//! HTTP libraries take any value.

use http::Version;
use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, Scheme};

/// Whether a request names its host as it must: once in HTTP/1.1, never by what is no host, and never two that differ. In HTTP/1.1 a
/// target's authority goes before the header, whatever that says (RFC 9112 section 3.2.2); later versions have no such rule.
pub(super) fn is_clear(request: &Parts) -> bool {
    let target = request.uri.authority();
    let mut hosts = request.headers.get_all(HOST).iter();
    let host = match hosts.next() {
        None if request.version == Version::HTTP_11 => return false,
        // A target without an authority has an empty one (RFC 9112 section 3.2).
        None => None,
        Some(host) if host.is_empty() => None,
        Some(host) => match Authority::try_from(host.as_bytes()) {
            Ok(host) if is_host(&host) => Some(host),
            _ => return false,
        },
    };
    let agrees = match (target, &host) {
        (Some(target), Some(host)) if request.version > Version::HTTP_11 => is_same(target, host, request.uri.scheme()),
        _ => true,
    };
    agrees && target.is_none_or(is_host) && hosts.next().is_none()
}

/// Whether two name the same host and port, where one may leave out the scheme's own (RFC 9110 section 4.2.3).
fn is_same(one: &Authority, other: &Authority, scheme: Option<&Scheme>) -> bool {
    let usual = match scheme {
        Some(scheme) if *scheme == Scheme::HTTPS => Some(443),
        Some(scheme) if *scheme == Scheme::HTTP => Some(80),
        _ => None,
    };
    let port = |of: &Authority| of.port_u16().or(usual);
    one.host().eq_ignore_ascii_case(other.host()) && port(one) == port(other)
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
            let target = if good && !host.is_empty() { format!("http://{host}/") } else { "http://a/".to_owned() };
            assert_eq!(is_clear_of(Version::HTTP_2, &target, &[host]), good, "{host:?}");
        }
    }

    #[test]
    fn two_names_are_of_the_same_host() {
        for (target, host, good) in [
            ("https://a/", "a", true),
            ("https://a/", "A:443", true),
            ("https://a:443/", "a", true),
            ("http://a:80/", "a", true),
            ("https://a:8443/", "a:8443", true),
            ("https://a/", "b", false),
            ("https://a/", "a:80", false),
            ("https://a:8443/", "a", false),
            ("http://a/", "a:443", false),
        ] {
            for version in [Version::HTTP_2, Version::HTTP_3] {
                assert_eq!(is_clear_of(version, target, &[host]), good, "{version:?}, {target} and {host}");
            }
            // The target goes first there.
            assert!(is_clear_of(Version::HTTP_11, target, &[host]), "{target} and {host}");
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
