//! The static pages, from a docteur image.

use std::collections::HashMap;

use bytes::Bytes;
use docteur::{Cache, Content, Encoding, Image, Kind, Limits, Memory, Walk};
use http::{HeaderMap, Method, Response, StatusCode};
use paf::files::{Coding, File, Whole};
use thiserror::Error;

use crate::answer::Answer;

/// The page that shows a paste.
pub(crate) const SHOW: &str = "/paste.html";
/// The page for addresses that are none, if the image has one.
const MISSING: &str = "/404.html";

/// Bytes of the image's root in a tag: enough to tell images apart.
const ROOT: usize = 16;
/// Bytes of the image that are kept decoded while it is read.
const CACHE: usize = 4 << 20;
/// The most bytes of a site, all encodings of its files together.
const MOST: usize = 256 << 20;

/// The site: every file, ready to be sent.
#[derive(Debug)]
pub struct Site {
    files: HashMap<String, File<Bytes>>,
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
        let mut cache = Cache::new(CACHE);
        image.verify(&mut cache, |_, _| {}).map_err(damaged)?;
        Self::read(&image, &mut cache)
    }

    /// Opens an image that is a part of the program, whose bytes are no less sound than the program's.
    ///
    /// # Errors
    /// As [`Site::open`].
    pub fn built_in(image: &'static [u8]) -> Result<Self, SiteError> {
        let image = Image::open_built_in(Memory(image), &Limits::default()).map_err(damaged)?;
        Self::read(&image, &mut Cache::new(CACHE))
    }

    fn read<B: AsRef<[u8]>>(image: &Image<Memory<B>>, cache: &mut Cache) -> Result<Self, SiteError> {
        let root: String = image.root().iter().take(ROOT).map(|byte| format!("{byte:02x}")).collect();
        let mut files = HashMap::new();
        let mut walk = Walk::new();
        let mut total = 0;
        while let Some(entry) = walk.next(image, cache).map_err(damaged)? {
            let Kind::File(content) = entry.kind else { continue };
            let path = format!("/{}", str::from_utf8(&entry.path).map_err(damaged)?);
            let mut read = |content: &Content| {
                // All of it stays in memory, and an image can say a lot in a few bytes.
                let body = Bytes::from(image.read_all(cache, content, MOST - total).map_err(damaged)?);
                total += body.len();
                // In one image a place and a size are one content.
                let tag = format!("{root}-{}-{}-{}", content.segment, content.offset, content.size);
                Ok::<_, SiteError>((body, tag))
            };
            let (body, tag) = read(&content)?;
            let media_type = entry.media_type.as_deref().unwrap_or("application/octet-stream");
            let file = File::new(media_type, body, &tag);
            let mut file = file.map_err(|_| SiteError::MediaType(path.clone()))?;
            for (encoding, content) in &entry.encodings {
                let Some(coding) = coding(*encoding) else { continue };
                let (body, tag) = read(content)?;
                file = file.also(coding, body, &tag).map_err(damaged)?;
            }
            // The name of an asset holds its content's hash: it never changes.
            let ready = if path.starts_with("/assets/") { file.immutable() } else { file };
            files.insert(path, ready);
        }
        for page in ["/index.html", SHOW] {
            if !files.contains_key(page) {
                return Err(SiteError::Missing(page));
            }
        }
        Ok(Self { files })
    }

    /// The answer with the file at `path`.
    pub(crate) fn answer(&self, path: &str, method: &Method, request: &HeaderMap) -> Option<Response<Answer>> {
        Some(self.files.get(path)?.answer(method, request).map(sent))
    }

    /// The page for addresses that are none.
    pub(crate) fn missing(&self, method: &Method, request: &HeaderMap) -> Option<Response<Answer>> {
        let mut page = self.files.get(MISSING)?.unconditional(method, request).map(sent);
        *page.status_mut() = StatusCode::NOT_FOUND;
        Some(page)
    }
}

fn sent(body: Option<Whole>) -> Answer {
    body.map_or_else(Answer::empty, |body| Answer::whole(body.into_bytes()))
}

/// `None` of an encoding that HTTP knows nothing of.
fn coding(encoding: Encoding) -> Option<Coding> {
    Some(match encoding {
        Encoding::Identity => Coding::Identity,
        Encoding::Brotli => Coding::Brotli,
        Encoding::Zstd => Coding::Zstd,
        Encoding::Gzip => Coding::Gzip,
        _ => return None,
    })
}

fn damaged<E: std::fmt::Display>(error: E) -> SiteError {
    SiteError::Image(error.to_string())
}
