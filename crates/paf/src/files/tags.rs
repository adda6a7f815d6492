//! Entity tags in conditions (RFC 9110 section 8.8.3).

use http::{HeaderMap, HeaderName, HeaderValue};

/// Whether a header that lists tags holds `etag`, which is strong. Where `weak`, tags that are marked weak count as well
/// (section 8.8.3.2).
pub(super) fn holds(headers: &HeaderMap, name: HeaderName, etag: &HeaderValue, weak: bool) -> bool {
    let Ok(etag) = etag.to_str() else { return false };
    headers.get_all(name).iter().any(|line| {
        let line = line.to_str().unwrap_or_default();
        // A comma inside a tag cuts it in two that match nothing: no tag of ours has one.
        line.split(',').map(str::trim).any(|tag| match tag.strip_prefix("W/") {
            Some(tag) => weak && tag == etag,
            None => tag == "*" || tag == etag,
        })
    })
}

#[cfg(test)]
mod tests {
    use http::header::IF_MATCH;

    use super::*;

    #[test]
    fn compares_as_it_is_told() {
        let etag = HeaderValue::from_static("\"a\"");
        for (line, strong, weak) in [
            ("\"a\"", true, true),
            ("W/\"a\"", false, true),
            ("\"b\", \"a\"", true, true),
            ("*", true, true),
            ("\"b\"", false, false),
            ("a", false, false),
            ("", false, false),
        ] {
            let headers = HeaderMap::from_iter([(IF_MATCH, HeaderValue::from_static(line))]);
            assert_eq!(holds(&headers, IF_MATCH, &etag, false), strong, "{line}");
            assert_eq!(holds(&headers, IF_MATCH, &etag, true), weak, "{line}");
        }
    }
}
