//! A file's answer to a request.

use std::cmp::Reverse;

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH,
    IF_NONE_MATCH, IF_RANGE, RANGE, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::accept::Accepted;
use super::range::{Asked, asked};
use super::{Coding, Content, File, Variant, tags};

impl<C: Content> File<C> {
    /// The answer to GET or HEAD: 200, 206, 304, 412 or 416. It says its length; there is no body where none is sent.
    ///
    /// Conditions are evaluated in the order of RFC 9110 section 13.2.2. A list of ranges gets everything, which section
    /// 14.2 allows; those on dates are not met, since files have none.
    pub fn answer(&self, method: &Method, request: &HeaderMap) -> Response<Option<C::Body>> {
        let Some(variant) = self.choose(request) else { return status(StatusCode::NOT_FOUND) };
        if request.contains_key(IF_MATCH) && !tags::holds(request, IF_MATCH, &variant.etag, false) {
            return self.bare(variant, StatusCode::PRECONDITION_FAILED);
        }
        if request.contains_key(IF_NONE_MATCH) && tags::holds(request, IF_NONE_MATCH, &variant.etag, true) {
            return self.bare(variant, StatusCode::NOT_MODIFIED);
        }
        let size = variant.content.len();
        let range = match request.get(RANGE).and_then(|range| range.to_str().ok()) {
            // Section 14.2: only GET has ranges. Section 13.1.5: of another content than the client's they are useless.
            Some(range) if method == Method::GET && request.get(IF_RANGE).is_none_or(|tag| *tag == variant.etag) => {
                asked(range, size)
            }
            _ => Asked::Whole,
        };
        let mut response = match range {
            Asked::Whole => self.whole(variant, method),
            Asked::Part(range) => {
                let (first, last) = (range.start, range.end - 1);
                let mut response = self.sent(variant, Some(variant.content.read(range)));
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                if let Ok(value) = HeaderValue::try_from(format!("bytes {first}-{last}/{size}")) {
                    response.headers_mut().insert(CONTENT_RANGE, value);
                }
                response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(last - first + 1));
                response
            }
            Asked::Outside => {
                let mut response = self.bare(variant, StatusCode::RANGE_NOT_SATISFIABLE);
                if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
                    response.headers_mut().insert(CONTENT_RANGE, value);
                }
                response
            }
        };
        response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        response
    }

    /// All of the file, whatever conditions and ranges the request has: as for a page that says that there is none.
    pub fn unconditional(&self, method: &Method, request: &HeaderMap) -> Response<Option<C::Body>> {
        match self.choose(request) {
            Some(variant) => self.whole(variant, method),
            None => status(StatusCode::NOT_FOUND),
        }
    }

    /// What the client likes best; of several the smallest. Where it takes nothing that there is, the identity all the
    /// same: to refuse would help nobody (section 12.5.3).
    fn choose(&self, request: &HeaderMap) -> Option<&Variant<C>> {
        let accepted = Accepted::of(request);
        let weighted = self.variants.iter().filter_map(|v| accepted.weight(v.coding).map(|weight| (weight, v)));
        // The first of equals: the smallest.
        let best = weighted.min_by_key(|(weight, _)| Reverse(*weight)).map(|(_, variant)| variant);
        best.or_else(|| self.variants.iter().find(|v| v.coding == Coding::Identity))
    }

    fn whole(&self, variant: &Variant<C>, method: &Method) -> Response<Option<C::Body>> {
        let size = variant.content.len();
        let body = (method != Method::HEAD).then(|| variant.content.read(0..size));
        let mut response = self.sent(variant, body);
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(size));
        response
    }

    /// An answer that says what it sends.
    fn sent(&self, variant: &Variant<C>, body: Option<C::Body>) -> Response<Option<C::Body>> {
        let mut response = self.bare(variant, StatusCode::OK);
        *response.body_mut() = body;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.media_type.clone());
        if variant.coding != Coding::Identity {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(variant.coding.token()));
        }
        response
    }

    /// An answer without a body.
    fn bare(&self, variant: &Variant<C>, code: StatusCode) -> Response<Option<C::Body>> {
        let mut response = status(code);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, self.cache.clone());
        headers.insert(ETAG, variant.etag.clone());
        if self.variants.len() > 1 {
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        response
    }
}

fn status<B>(status: StatusCode) -> Response<Option<B>> {
    let mut response = Response::new(None);
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderName;
    use http::header::ACCEPT_ENCODING as AE;

    use super::*;

    const ALL: &str = "0123456789";

    fn file() -> File<Bytes> {
        let file = File::new("text/plain", Bytes::from(ALL), "i").unwrap();
        let file = file.also(Coding::Gzip, Bytes::from("gzip"), "g").unwrap();
        file.also(Coding::Brotli, Bytes::from("brotli"), "b").unwrap().immutable()
    }

    fn ask(method: Method, lines: &[(HeaderName, &'static str)]) -> (u16, String, HeaderMap) {
        let headers = lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        let (head, body) = file().answer(&method, &headers).into_parts();
        let body = body.map(|body| String::from_utf8(body.into_bytes().to_vec()).unwrap());
        let said = head.headers.get(CONTENT_LENGTH).map(|len| len.to_str().unwrap().parse::<usize>().unwrap());
        if let Some(body) = &body {
            assert_eq!(said, Some(body.len()));
        }
        (head.status.as_u16(), body.unwrap_or_default(), head.headers)
    }

    fn said(headers: &HeaderMap, name: HeaderName) -> &str {
        headers[name].to_str().unwrap()
    }

    fn get(lines: &[(HeaderName, &'static str)]) -> (u16, String) {
        let (status, body, _) = ask(Method::GET, lines);
        (status, body)
    }

    #[test]
    fn sends_what_the_client_likes_best() {
        for (line, body, etag) in [
            ("", ALL, "\"i\""),
            ("gzip, br", "gzip", "\"g\""),
            ("gzip;q=0.5, br", "brotli", "\"b\""),
            ("zstd", ALL, "\"i\""),
            ("gzip;q=0.5, identity", ALL, "\"i\""),
            ("gzip;q=0.001", "gzip", "\"g\""),
            ("identity;q=0, zstd", ALL, "\"i\""),
        ] {
            let (status, said, headers) = ask(Method::GET, &[(AE, line)]);
            assert_eq!((status, said.as_str(), headers[ETAG].to_str().unwrap()), (200, body, etag), "{line}");
            assert_eq!(headers[VARY], "accept-encoding");
            assert_eq!(headers[CACHE_CONTROL], "public, max-age=31536000, immutable");
            assert_eq!(headers.contains_key(CONTENT_ENCODING), body != ALL);
        }
    }

    #[test]
    fn conditions_come_in_their_order() {
        assert_eq!(get(&[(IF_NONE_MATCH, "\"i\"")]), (304, String::new()));
        assert_eq!(get(&[(IF_NONE_MATCH, "W/\"i\", \"x\"")]), (304, String::new()));
        // Another encoding is another content.
        assert_eq!(get(&[(IF_NONE_MATCH, "\"g\"")]), (200, ALL.into()));
        assert_eq!(get(&[(IF_NONE_MATCH, "\"g\""), (AE, "gzip")]), (304, String::new()));
        assert_eq!(get(&[(IF_MATCH, "\"x\"")]), (412, String::new()));
        assert_eq!(get(&[(IF_MATCH, "W/\"i\"")]), (412, String::new()));
        assert_eq!(get(&[(IF_MATCH, "*"), (IF_NONE_MATCH, "\"i\"")]), (304, String::new()));
        assert_eq!(get(&[(IF_MATCH, "\"x\""), (IF_NONE_MATCH, "\"i\"")]), (412, String::new()));
        assert_eq!(get(&[(IF_NONE_MATCH, "\"i\""), (RANGE, "bytes=0-1")]), (304, String::new()));
        let (_, _, headers) = ask(Method::GET, &[(IF_NONE_MATCH, "*")]);
        assert!(!headers.contains_key(CONTENT_TYPE) && headers.contains_key(ETAG));
    }

    #[test]
    fn ranges_are_of_what_is_sent() {
        let (status, body, headers) = ask(Method::GET, &[(RANGE, "bytes=2-4")]);
        assert_eq!((status, body.as_str()), (206, "234"));
        assert_eq!((said(&headers, CONTENT_RANGE), said(&headers, ACCEPT_RANGES)), ("bytes 2-4/10", "bytes"));
        let (_, body, headers) = ask(Method::GET, &[(RANGE, "bytes=-2"), (AE, "gzip")]);
        assert_eq!(
            (body.as_str(), said(&headers, CONTENT_RANGE), said(&headers, CONTENT_ENCODING)),
            ("ip", "bytes 2-3/4", "gzip")
        );
        let (status, _, headers) = ask(Method::GET, &[(RANGE, "bytes=10-")]);
        assert_eq!((status, said(&headers, CONTENT_RANGE)), (416, "bytes */10"));
        assert_eq!(get(&[(RANGE, "bytes=0-1,4-5")]), (200, ALL.into()));
        assert_eq!(get(&[(RANGE, "bytes=0-1"), (IF_RANGE, "\"i\"")]), (206, "01".into()));
        for other in ["\"x\"", "W/\"i\"", "Tue, 01 Jan 2030 00:00:00 GMT"] {
            assert_eq!(get(&[(RANGE, "bytes=0-1"), (IF_RANGE, other)]), (200, ALL.into()), "{other}");
        }
    }

    #[test]
    fn a_head_says_what_a_get_would_send() {
        let (status, body, headers) = ask(Method::HEAD, &[(RANGE, "bytes=2-4")]);
        assert_eq!((status, body.as_str(), said(&headers, CONTENT_LENGTH)), (200, "", "10"));
        assert_eq!(ask(Method::HEAD, &[(IF_NONE_MATCH, "\"i\"")]).0, 304);
    }
}
