//! The static pages, from a docteur image.

use std::collections::HashMap;

use bytes::Bytes;
use docteur::{Cache, Encoding, Image, Kind, Limits, Memory, Walk};
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::answer::Answer;

/// The page that shows a paste.
pub(crate) const SHOW: &str = "/paste.html";
/// The page for addresses that are none, if the image has one.
pub(crate) const MISSING: &str = "/404.html";

/// The most bytes of a site, all encodings of its files together.
const MOST: usize = 256 << 20;

/// The site: every file, checked against its hash and ready to be sent.
#[derive(Debug)]
pub struct Site {
    files: HashMap<String, File>,
}

#[derive(Debug)]
struct File {
    media_type: HeaderValue,
    cache: HeaderValue,
    vary: bool,
    /// Smallest first; the identity is last.
    variants: Vec<Variant>,
}

#[derive(Debug)]
struct Variant {
    encoding: Encoding,
    body: Bytes,
    etag: HeaderValue,
}

/// Why a site cannot be served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SiteError {
    /// The image cannot be read, or a byte of it is not what it was.
    #[error("the site's image is damaged: {0}")]
    Image(String),
    /// A page is missing.
    #[error("the site's image has no {0}")]
    Missing(&'static str),
    /// A file has a media type that is no header value.
    #[error("the site's file {0} has an unusable media type")]
    MediaType(String),
}

impl Site {
    /// Opens an image and checks every byte of it against its hash.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn open(image: Bytes) -> Result<Self, SiteError> {
        let image = Image::open(Memory(image), &Limits::default()).map_err(damaged)?;
        let mut cache = Cache::new(4 << 20);
        image.verify(&mut cache, |_, _| {}).map_err(damaged)?;
        let mut files = HashMap::new();
        let mut walk = Walk::new();
        let mut total = 0;
        while let Some(entry) = walk.next(&image, &mut cache).map_err(damaged)? {
            let Kind::File(content) = entry.kind else { continue };
            let path = format!("/{}", str::from_utf8(&entry.path).map_err(damaged)?);
            let mut variants = Vec::new();
            for (encoding, content) in entry.encodings.into_iter().chain([(Encoding::Identity, content)]) {
                // All of it stays in memory, and an image can say a lot in a few bytes.
                let body = image.read_all(&mut cache, &content, MOST - total).map_err(damaged)?;
                total += body.len();
                let etag = etag(&Sha256::digest(&body).into())?;
                variants.push(Variant { encoding, body: body.into(), etag });
            }
            variants.sort_by_key(|v| (v.body.len(), v.encoding == Encoding::Identity));
            let media_type = entry.media_type.as_deref().unwrap_or("application/octet-stream");
            let ready = File {
                media_type: HeaderValue::try_from(media_type).map_err(|_| SiteError::MediaType(path.clone()))?,
                // The name of an asset holds its content's hash: it never changes.
                cache: HeaderValue::from_static(if path.starts_with("/assets/") {
                    "public, max-age=31536000, immutable"
                } else {
                    "no-cache"
                }),
                vary: variants.len() > 1,
                variants,
            };
            files.insert(path, ready);
        }
        for page in ["/index.html", SHOW] {
            if !files.contains_key(page) {
                return Err(SiteError::Missing(page));
            }
        }
        Ok(Self { files })
    }

    /// The file at `path`, in the smallest encoding that the client takes; 304 where it has it already.
    pub(crate) fn answer(&self, path: &str, request: &HeaderMap) -> Option<Response<Answer>> {
        let file = self.files.get(path)?;
        let accepts = Accepted::of(request);
        // The identity is always an answer: refusing it would help nobody.
        let variant = file.variants.iter().find(|v| accepts.takes(v.encoding)).or(file.variants.last())?;
        let known = request.get_all(IF_NONE_MATCH).iter().any(|tags| matches(tags, &variant.etag));
        let mut response = Response::new(if known { Answer::empty() } else { Answer::whole(variant.body.clone()) });
        let headers = response.headers_mut();
        if !known {
            headers.insert(CONTENT_TYPE, file.media_type.clone());
            if variant.encoding != Encoding::Identity {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(variant.encoding.token()));
            }
        }
        headers.insert(CACHE_CONTROL, file.cache.clone());
        headers.insert(ETAG, variant.etag.clone());
        if file.vary {
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        Some(response)
    }
}

fn damaged<E: std::fmt::Display>(error: E) -> SiteError {
    SiteError::Image(error.to_string())
}

fn etag(hash: &[u8; 32]) -> Result<HeaderValue, SiteError> {
    let tag = api::Token::encode_hash(hash);
    HeaderValue::try_from(format!("\"{}\"", &tag[..22])).map_err(damaged)
}

/// Whether an `If-None-Match` line holds the tag (weak comparison, RFC 9110 section 13.1.2).
fn matches(line: &HeaderValue, etag: &HeaderValue) -> bool {
    let (Ok(line), Ok(etag)) = (line.to_str(), etag.to_str()) else { return false };
    line.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// The encodings that a request accepts (RFC 9110 section 12.5.3).
#[derive(Clone, Copy, Default)]
struct Accepted([Option<bool>; 4]);

impl Accepted {
    fn of(request: &HeaderMap) -> Self {
        let mut accepted = Self::default();
        let mut rest = None;
        for line in request.get_all(ACCEPT_ENCODING) {
            for item in line.to_str().unwrap_or_default().split(',') {
                let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
                let name = name.trim();
                let takes = !is_zero(parameters);
                if name == "*" {
                    rest = Some(takes);
                }
                for encoding in Encoding::ALL {
                    if name.eq_ignore_ascii_case(encoding.token()) {
                        accepted.0[usize::from(encoding.code())] = Some(takes);
                    }
                }
            }
        }
        for slot in &mut accepted.0 {
            *slot = slot.or(rest);
        }
        accepted
    }

    fn takes(self, encoding: Encoding) -> bool {
        let said = self.0[usize::from(encoding.code())];
        said.unwrap_or(encoding == Encoding::Identity)
    }
}

/// Whether parameters say `q=0`.
fn is_zero(parameters: &str) -> bool {
    parameters.split(';').any(|p| {
        p.trim()
            .strip_prefix("q=")
            .or(p.trim().strip_prefix("Q="))
            .is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(line: &'static str) -> [bool; 4] {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(line))]);
        Encoding::ALL.map(|e| Accepted::of(&headers).takes(e))
    }

    #[test]
    fn reads_accept_encoding() {
        assert_eq!(Encoding::ALL.map(Encoding::token), ["identity", "br", "zstd", "gzip"]);
        assert_eq!(accepted("gzip, deflate, br, zstd"), [true, true, true, true]);
        assert_eq!(accepted("gzip;q=1.0, br;q=0"), [true, false, false, true]);
        assert_eq!(accepted("*"), [true, true, true, true]);
        assert_eq!(accepted("*;q=0, gzip"), [false, false, false, true]);
        assert_eq!(accepted(""), [true, false, false, false]);
    }

    #[test]
    fn compares_tags_weakly() {
        let tag = HeaderValue::from_static("\"a\"");
        for (line, known) in [("\"a\"", true), ("W/\"a\"", true), ("\"b\", \"a\"", true), ("*", true), ("\"b\"", false)]
        {
            assert_eq!(matches(&HeaderValue::from_static(line), &tag), known, "{line}");
        }
    }
}
