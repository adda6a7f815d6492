//! The handler: files of an image, by paf's answers for static files.
//!
//! What is asked for often is kept decoded, up to a bound; a long file is decoded, kept and sent in pieces, of which an answer holds what
//! the client has not taken: two at most. Decoding is done where the request is: it is the processor's work, and takes at most the time of
//! one segment.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use docteur::{Content, Encoding, FileSource, Image, Kind, Pool};
use docteur_make::media_type;
use http::header::{ALLOW, CONTENT_LENGTH, InvalidHeaderValue, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use paf::files::{Coding, File};

use super::kept::Kept;

/// Bytes of a content that are decoded, kept and sent at once. A client that takes nothing pins them, also when they are kept no more.
const PIECE: u64 = 64 << 10;
/// The most bytes of parts of segments that a thread keeps: some segments of the largest profile.
const PARTS: usize = 16 << 20;
/// About what is taken by a path that is kept, beside its length, and by bytes that are.
const PATH: usize = 512;
const BYTES: usize = 256;
/// The page for paths that are not there, if the image has one.
const MISSING: &[u8] = b"404.html";

/// Digits of the root in a tag: enough to tell images apart.
const DIGITS: usize = 32;

/// What is served.
#[derive(Clone)]
pub(super) struct Site {
    stock: Arc<Stock>,
    root: Arc<str>,
    found: Arc<Mutex<Kept<Vec<u8>, Arc<Found>>>>,
}

/// Contents, decoded.
struct Stock {
    pool: Pool<FileSource>,
    /// By content and the piece's first byte.
    pieces: Mutex<Kept<(Content, u64), Bytes>>,
    tell: Tell,
}

type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// What a path leads to.
enum Found {
    Folder,
    File(File<Stored>),
}

/// Why there is no answer: it was told.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the image is damaged")]
pub(super) struct Damaged;

impl Site {
    /// Serves `image` with `threads` threads, and keeps about `cache` bytes. `tell` gets a line about each damage.
    pub(super) fn new(
        image: Image<FileSource>,
        threads: usize,
        cache: usize,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        let root: String = super::super::hex(&image.root()).chars().take(DIGITS).collect();
        // A sixteenth for paths; for segments and index blocks that are decoded in part as much as a thread can make use of; the rest, at
        // least half, for contents.
        let paths = cache / 16;
        let each = ((cache / 2 - paths) / threads.max(1)).min(PARTS);
        let stock = Stock {
            pool: Pool::new(image, threads, each),
            pieces: Mutex::new(Kept::new(cache - paths - each * threads)),
            tell: Box::new(tell),
        };
        Self { stock: Arc::new(stock), root: root.into(), found: Arc::new(Mutex::new(Kept::new(paths))) }
    }

    fn answer(&self, request: &Request<paf::http::Body>) -> Result<Response<Option<Sending>>, Damaged> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = bare(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Ok(response);
        }
        let asked = request.uri().path();
        let Some(path) = decoded(asked) else { return self.missing(request) };
        let Some(path) = path.strip_prefix(b"/") else { return self.missing(request) };
        let found = match path.strip_suffix(b"/") {
            Some(folder) => self.find(&[folder, b"/index.html"].concat())?,
            None if path.is_empty() => self.find(b"index.html")?,
            None => self.find(path)?,
        };
        match found.as_deref() {
            // So that the page's own links lead into its folder.
            Some(Found::Folder) if !path.is_empty() && !path.ends_with(b"/") => {
                let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
                let mut response = bare(StatusCode::MOVED_PERMANENTLY);
                if let Ok(place) = HeaderValue::try_from(format!("{asked}/{query}")) {
                    response.headers_mut().insert(LOCATION, place);
                }
                Ok(response)
            }
            Some(Found::File(file)) => Ok(file.answer(request.method(), request.headers())),
            _ => self.missing(request),
        }
    }

    fn missing(&self, request: &Request<paf::http::Body>) -> Result<Response<Option<Sending>>, Damaged> {
        let found = self.find(MISSING)?;
        let Some(Found::File(page)) = found.as_deref() else { return Ok(bare(StatusCode::NOT_FOUND)) };
        let mut response = page.unconditional(request.method(), request.headers());
        *response.status_mut() = StatusCode::NOT_FOUND;
        Ok(response)
    }

    fn find(&self, path: &[u8]) -> Result<Option<Arc<Found>>, Damaged> {
        if let Some(found) = locked(&self.found).get(path) {
            return Ok(Some(found));
        }
        let entry = self.stock.pool.with(|image, cache| image.find(cache, path));
        let Some(entry) = entry.map_err(|error| self.stock.damaged(path, &error))? else { return Ok(None) };
        let found = match entry.kind {
            Kind::Directory => Found::Folder,
            Kind::File(content) => {
                let media_type =
                    entry.media_type.unwrap_or_else(|| media_type(&String::from_utf8_lossy(path)).to_owned());
                // What the reader lets through are header values.
                Found::File(self.file(&media_type, content, &entry.encodings).map_err(|_| Damaged)?)
            }
            // A link may lead anywhere: it is not followed.
            Kind::Symlink(_) => return Ok(None),
        };
        let found = Arc::new(found);
        locked(&self.found).put(path.to_vec(), Arc::clone(&found), PATH + 2 * path.len());
        Ok(Some(found))
    }

    fn file(
        &self,
        media_type: &str,
        content: Content,
        encodings: &[(Encoding, Content)],
    ) -> Result<File<Stored>, InvalidHeaderValue> {
        // In one image a place and a size are one content.
        let tag = |content: &Content| format!("{}-{}-{}-{}", self.root, content.segment, content.offset, content.size);
        let stored = |content: Content| Stored { stock: Arc::clone(&self.stock), content };
        let mut file = File::new(media_type, stored(content), &tag(&content))?;
        for (encoding, content) in encodings {
            if let Some(coding) = coding(*encoding) {
                file = file.also(coding, stored(*content), &tag(content))?;
            }
        }
        Ok(file)
    }
}

impl Stock {
    /// Bytes of a content from the first that is wanted on, up to the end of its piece.
    fn read(&self, content: Content, wanted: Range<u64>) -> Result<Bytes, Damaged> {
        let start = wanted.start - wanted.start % PIECE;
        let key = (content, start);
        let kept = locked(&self.pieces).get(&key);
        let bytes = match kept {
            Some(bytes) => bytes,
            None => {
                let decoded = self.pool.with(|image, cache| {
                    let mut bytes = vec![0; (content.size - start).min(PIECE) as usize];
                    let read = image.read(cache, &content, start, &mut bytes)?;
                    bytes.truncate(read);
                    Ok(Bytes::from(bytes))
                });
                let bytes: Bytes = decoded.map_err(|error| self.damaged(b"", &error))?;
                locked(&self.pieces).put(key, bytes.clone(), bytes.len() + BYTES);
                bytes
            }
        };
        let bound = |at: u64| usize::try_from(at - start).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes.slice(bound(wanted.start)..bound(wanted.end)))
    }

    fn damaged(&self, path: &[u8], error: &docteur::Error<std::io::Error>) -> Damaged {
        (self.tell)(&if path.is_empty() {
            error.to_string()
        } else {
            format!("/{}: {error}", docteur_make::shown(path))
        });
        Damaged
    }
}

impl tower_service::Service<Request<paf::http::Body>> for Site {
    type Response = Response<Sending>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<paf::http::Body>) -> Self::Future {
        let answer = match self.answer(&request) {
            // The first piece tells, before anything is sent, whether there is something to send.
            Ok(response) if response.body().as_ref().is_none_or(|body| body.first.is_ok()) => response,
            _ => bare(StatusCode::INTERNAL_SERVER_ERROR),
        };
        ready(Ok(answer.map(|body| body.unwrap_or_else(|| Sending::nothing(&self.stock)))))
    }
}

/// A content in the image.
struct Stored {
    stock: Arc<Stock>,
    content: Content,
}

impl paf::files::Content for Stored {
    type Body = Sending;

    fn len(&self) -> u64 {
        self.content.size
    }

    fn read(&self, range: Range<u64>) -> Sending {
        let first = self.stock.read(self.content, range.clone());
        Sending { stock: Arc::clone(&self.stock), content: self.content, left: range, first: first.map(Some) }
    }
}

/// A part of a content, decoded as it is sent. If it cannot be, the connection is broken off, so that the client sees that something is
/// missing.
pub(super) struct Sending {
    stock: Arc<Stock>,
    content: Content,
    left: Range<u64>,
    first: Result<Option<Bytes>, Damaged>,
}

impl Sending {
    fn nothing(stock: &Arc<Stock>) -> Self {
        Self { stock: Arc::clone(stock), content: Content::default(), left: 0..0, first: Ok(None) }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Damaged;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Damaged>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let first = match &mut self.first {
            Ok(first) => Ok(first.take()),
            Err(damaged) => Err(*damaged),
        };
        let piece = match first {
            Ok(Some(piece)) => Ok(piece),
            Ok(None) => self.stock.read(self.content, self.left.clone()),
            Err(damaged) => Err(damaged),
        };
        Poll::Ready(Some(match piece {
            Ok(piece) if !piece.is_empty() => {
                self.left.start += piece.len() as u64;
                Ok(Frame::data(piece))
            }
            _ => {
                self.left = 0..0;
                Err(Damaged)
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.end.saturating_sub(self.left.start))
    }
}

fn bare(status: StatusCode) -> Response<Option<Sending>> {
    let mut response = Response::new(None);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// `None` of an encoding that HTTP has no name for.
fn coding(encoding: Encoding) -> Option<Coding> {
    Some(match encoding {
        Encoding::Brotli => Coding::Brotli,
        Encoding::Zstd => Coding::Zstd,
        Encoding::Gzip => Coding::Gzip,
        _ => return None,
    })
}

/// A path without its percent signs (RFC 3986 section 2.1): names are any bytes. `None` where a sign has no two digits.
fn decoded(path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let ([high, low], after) = rest.split_first_chunk::<2>()?;
            let digit = |byte: u8| char::from(byte).to_digit(16);
            bytes.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

/// What a mutex holds, also after a thread that held it panicked: the worst is that something is not kept.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_stand_for_any_byte() {
        assert_eq!(decoded("/a%20b%FF").as_deref(), Some(&b"/a b\xff"[..]));
        for malformed in ["/%", "/%2", "/%zz", "/%+1"] {
            assert_eq!(decoded(malformed), None, "{malformed}");
        }
    }
}
