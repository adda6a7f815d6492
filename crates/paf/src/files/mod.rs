//! Files that do not change while they are served: conditional requests and ranges (RFC 9110 sections 13 and 14), and of
//! the encodings that a file was compressed with before, the one a client likes best (section 12.5.3).
//!
//! [`Files`] is a handler over any [`Source`]; a handler with routes of its own asks a [`File`] to answer.

mod accept;
mod answer;
mod body;
mod range;
mod tags;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, InvalidHeaderValue};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower_service::Service;

pub use accept::Coding;
pub use body::{Sent, Whole};
pub use range::{Asked, asked};

use crate::http::Body;

/// What a file's name being that of its content allows: it is never asked for again (RFC 8246).
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// It is asked for each time, at the price of a 304.
const CHECKED: HeaderValue = HeaderValue::from_static("no-cache");

/// The bytes of a file in one encoding.
pub trait Content: Send + Sync + 'static {
    /// How they are sent.
    type Body: http_body::Body<Data = Bytes> + Send + 'static;

    /// How many there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// These of them; the range lies within.
    fn read(&self, range: Range<u64>) -> Self::Body;
}

/// Files by path.
pub trait Source: Send + Sync + 'static {
    /// What files hold.
    type Content: Content;

    /// The file at `path`, which begins with a slash and is decoded.
    fn find(&self, path: &str) -> Option<&File<Self::Content>>;
}

impl<C: Content> Source for HashMap<String, File<C>> {
    type Content = C;

    fn find(&self, path: &str) -> Option<&File<C>> {
        self.get(path)
    }
}

impl Content for Bytes {
    type Body = Whole;

    fn len(&self) -> u64 {
        Bytes::len(self) as u64
    }

    fn read(&self, range: Range<u64>) -> Whole {
        let bound = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(Bytes::len(self));
        Whole::new(self.slice(bound(range.start)..bound(range.end)))
    }
}

/// A file in all its encodings.
#[derive(Clone, Debug)]
pub struct File<C> {
    media_type: HeaderValue,
    cache: HeaderValue,
    /// Smallest first; of those of one size the identity last.
    variants: Vec<Variant<C>>,
}

#[derive(Clone, Debug)]
struct Variant<C> {
    coding: Coding,
    content: C,
    etag: HeaderValue,
}

impl<C: Content> File<C> {
    /// A file of that type with `content` as it is. `tag` says which bytes it holds, as a hash of them does: the same tag
    /// means the same bytes.
    ///
    /// # Errors
    /// Where `media_type` or `tag` is no header value.
    pub fn new(media_type: &str, content: C, tag: &str) -> Result<Self, InvalidHeaderValue> {
        let file = Self { media_type: HeaderValue::try_from(media_type)?, cache: CHECKED, variants: Vec::new() };
        file.also(Coding::Identity, content, tag)
    }

    /// The same file, compressed before: `content` in `coding`, under a tag of its own.
    ///
    /// # Errors
    /// Where `tag` is no header value.
    pub fn also(mut self, coding: Coding, content: C, tag: &str) -> Result<Self, InvalidHeaderValue> {
        let etag = HeaderValue::try_from(format!("\"{tag}\""))?;
        self.variants.push(Variant { coding, content, etag });
        self.variants.sort_by_key(|variant| (variant.content.len(), variant.coding == Coding::Identity));
        Ok(self)
    }

    /// The same file under a path that no other content ever has, as where a hash of the content is in its name: clients
    /// need not ask for it again.
    #[must_use]
    pub fn immutable(self) -> Self {
        Self { cache: IMMUTABLE, ..self }
    }
}

/// A handler that answers with the files of a source: GET and HEAD. A path that ends in a slash is that folder's
/// `index.html`.
pub struct Files<S> {
    source: Arc<S>,
}

impl<S: Source> Files<S> {
    /// Serves `source`.
    pub fn new(source: S) -> Self {
        Self { source: Arc::new(source) }
    }

    fn answer(&self, request: &Request<Body>) -> Response<Sent<<S::Content as Content>::Body>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = bare(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let found = decoded(request.uri().path()).and_then(|mut path| {
            if path.ends_with('/') {
                path.push_str("index.html");
            }
            self.source.find(&path)
        });
        match found {
            Some(file) => file.answer(request.method(), request.headers()).map(Sent::new),
            None => bare(StatusCode::NOT_FOUND),
        }
    }
}

fn bare<B>(status: StatusCode) -> Response<Sent<B>> {
    let mut response = Response::new(Sent::new(None));
    *response.status_mut() = status;
    response
}

/// A path without its percent signs (RFC 3986 section 2.1); `None` where that is no text.
fn decoded(path: &str) -> Option<String> {
    if !path.contains('%') {
        return Some(path.to_owned());
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

impl<S> Clone for Files<S> {
    fn clone(&self) -> Self {
        Self { source: Arc::clone(&self.source) }
    }
}

impl<S> fmt::Debug for Files<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

impl<S: Source> Service<Request<Body>> for Files<S> {
    type Response = Response<Sent<<S::Content as Content>::Body>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files<HashMap<String, File<Bytes>>> {
        let file = |text: &'static str| File::new("text/plain", Bytes::from(text), "t").unwrap();
        let named = [("/index.html", "home"), ("/a b/index.html", "folder"), ("/é.txt", "letter")];
        Files::new(named.into_iter().map(|(path, text)| (path.to_owned(), file(text))).collect())
    }

    fn status(method: Method, path: &str) -> StatusCode {
        let request = Request::builder().method(method).uri(path).body(Body::whole("")).unwrap();
        files().answer(&request).status()
    }

    #[test]
    fn finds_files_by_their_decoded_path() {
        for path in ["/", "/index.html", "/%69ndex.html", "/a%20b/", "/a%20b/index.html", "/%C3%a9.txt"] {
            assert_eq!(status(Method::GET, path), StatusCode::OK, "{path}");
        }
        for path in ["/a%20b", "/../index.html", "/%2e%2e/index.html", "/%", "/%2", "/%zz", "/%ff", "/%+1"] {
            assert_eq!(status(Method::GET, path), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn files_are_read_and_nothing_else() {
        assert_eq!(status(Method::HEAD, "/"), StatusCode::OK);
        assert_eq!(status(Method::POST, "/"), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn a_tag_or_type_that_is_no_header_is_refused() {
        assert!(File::new("text/plain\n", Bytes::new(), "t").is_err());
        assert!(File::new("text/plain", Bytes::new(), "\0").is_err());
    }
}
