//! The static pages, from a docteur image.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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
/// Bytes of the image that are kept decoded while it is checked.
const CHECKING: usize = 4 << 20;
/// The most bytes of a site, all encodings of its files together.
const MOST: u64 = 256 << 20;

/// The site: its files, each decoded when it is first asked for.
#[derive(Debug)]
pub struct Site {
    files: HashMap<String, File<Stored>>,
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
        image.verify(&mut Cache::new(CHECKING), |_, _| {}).map_err(damaged)?;
        Self::of(image)
    }

    /// Opens an image that is a part of the program, whose bytes are no less sound than the program's.
    ///
    /// # Errors
    /// As [`Site::open`].
    pub fn built_in(image: &'static [u8]) -> Result<Self, SiteError> {
        Self::of(Image::open_built_in(Memory(Bytes::from_static(image)), &Limits::default()).map_err(damaged)?)
    }

    fn of(image: Image<Memory<Bytes>>) -> Result<Self, SiteError> {
        let root: String = image.root().iter().take(ROOT).map(|byte| format!("{byte:02x}")).collect();
        // In one image a place and a size are one content.
        let tag = |content: &Content| format!("{root}-{}-{}-{}", content.segment, content.offset, content.size);
        let image = Arc::new(Opened { image, cache: Mutex::new(Cache::new(0)) });
        let stored =
            |content: &Content| Stored { image: Arc::clone(&image), content: *content, bytes: OnceLock::new() };
        let mut files = HashMap::new();
        let (mut walk, mut cache) = (Walk::new(), Cache::new(0));
        let mut total = 0_u64;
        while let Some(entry) = walk.next(&image.image, &mut cache).map_err(damaged)? {
            let Kind::File(content) = entry.kind else { continue };
            let path = format!("/{}", str::from_utf8(&entry.path).map_err(damaged)?);
            let media_type = entry.media_type.as_deref().unwrap_or("application/octet-stream");
            let file = File::new(media_type, stored(&content), &tag(&content));
            let mut file = file.map_err(|_| SiteError::MediaType(path.clone()))?;
            total = total.saturating_add(content.size);
            for (encoding, content) in &entry.encodings {
                let Some(coding) = coding(*encoding) else { continue };
                file = file.also(coding, stored(content), &tag(content)).map_err(damaged)?;
                total = total.saturating_add(content.size);
            }
            // All of it may come to stay in memory, and an image can say a lot in a few bytes.
            if total > MOST {
                return Err(SiteError::Image(format!("its files have {total} bytes, and {MOST} are the most")));
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

/// The image, and what is kept of it between one content and the next.
#[derive(Debug)]
struct Opened {
    image: Image<Memory<Bytes>>,
    cache: Mutex<Cache>,
}

/// A content in the image.
#[derive(Debug)]
struct Stored {
    image: Arc<Opened>,
    content: Content,
    bytes: OnceLock<Bytes>,
}

impl paf::files::Content for Stored {
    type Body = Whole;

    fn len(&self) -> u64 {
        self.content.size
    }

    /// All of it is decoded the first time. What was checked when the image was opened decodes; of what was not, the answer would be
    /// shorter than it says, which breaks the connection off.
    fn read(&self, range: Range<u64>) -> Whole {
        let bytes = self.bytes.get_or_init(|| {
            let mut cache = self.image.cache.lock().unwrap_or_else(PoisonError::into_inner);
            let most = usize::try_from(MOST).unwrap_or(usize::MAX);
            self.image.image.read_all(&mut cache, &self.content, most).map(Bytes::from).unwrap_or_default()
        });
        paf::files::Content::read(bytes, range)
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
