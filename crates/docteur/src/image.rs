//! The reader: the index is checked once, a file's bytes each time they are read.

use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::layout::{Encoding, HEADER, MAGIC, MAX_PATH, ROOTED, VERSION, is_media_type, is_path};
use crate::{Defect, Error, Source};

/// An open image. Its memory is that of the index, which is never longer than the source.
#[derive(Clone, Debug)]
pub struct Image<S> {
    source: S,
    root: [u8; 32],
    files: Vec<File>,
}

/// One file of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    path: String,
    media_type: String,
    variants: Vec<Variant>,
}

/// A file's bytes in one encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// How they are encoded.
    pub encoding: Encoding,
    /// How many bytes are stored.
    pub len: u64,
    /// SHA-256 of the bytes as stored.
    pub hash: [u8; 32],
    offset: u64,
}

impl<S: Source> Image<S> {
    /// Opens an image and checks its header and its index.
    ///
    /// # Errors
    /// [`Error::Source`] if the source fails, [`Error::Image`] if what it gives is not an image of format 0.
    pub fn open(source: S) -> Result<Self, Error<S::Error>> {
        let header = fetch(&source, 0, HEADER as u64)?;
        let (root, files) = {
            let header = Header::read(header.as_ref(), source.len()).map_err(image)?;
            let index = fetch(&source, HEADER as u64, header.index)?;
            let index = index.as_ref();
            let root = Sha256::new().chain_update(header.rooted).chain_update(index).finalize();
            if <[u8; 32]>::from(root) != header.root {
                return Err(image((Defect::Root, ROOTED as u64)));
            }
            let data = HEADER as u64 + header.index;
            (header.root, Index { index, at: 0 }.files(header.files, data, source.len()).map_err(image)?)
        };
        Ok(Self { source, root, files })
    }

    /// The hash that stands for the whole image.
    pub fn root(&self) -> [u8; 32] {
        self.root
    }

    /// Every file, sorted by path.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The file at an absolute path such as `/index.html`.
    pub fn file(&self, path: &str) -> Option<&File> {
        let at = self.files.binary_search_by(|f| f.path.as_bytes().cmp(path.as_bytes())).ok()?;
        self.files.get(at)
    }

    /// A variant's bytes, checked against its hash.
    ///
    /// # Errors
    /// [`Error::Source`] if the source fails, [`Defect::Content`] if the bytes do not have their hash.
    pub fn read(&self, variant: &Variant) -> Result<S::Bytes, Error<S::Error>> {
        let bytes = fetch(&self.source, variant.offset, variant.len)?;
        if <[u8; 32]>::from(Sha256::digest(bytes.as_ref())) == variant.hash {
            Ok(bytes)
        } else {
            Err(image((Defect::Content, variant.offset)))
        }
    }

    /// Reads every variant of every file.
    ///
    /// # Errors
    /// As [`Image::read`].
    pub fn verify(&self) -> Result<(), Error<S::Error>> {
        self.files.iter().flat_map(File::variants).try_for_each(|variant| self.read(variant).map(drop))
    }
}

impl File {
    /// The absolute path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The media type, fit for `Content-Type`.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The file's own bytes.
    #[must_use]
    pub fn identity(&self) -> &Variant {
        // Opening refuses a file whose first variant is not the identity.
        &self.variants[0]
    }

    /// All variants: the identity first, then smaller ones.
    pub fn variants(&self) -> impl ExactSizeIterator<Item = &Variant> {
        self.variants.iter()
    }

    /// The variant in an encoding, where there is one.
    #[must_use]
    pub fn variant(&self, encoding: Encoding) -> Option<&Variant> {
        self.variants.iter().find(|v| v.encoding == encoding)
    }
}

/// What is wrong, and at which offset.
type Wrong = (Defect, u64);

fn image<E>((defect, at): Wrong) -> Error<E> {
    Error::Image { defect, at }
}

fn fetch<S: Source>(source: &S, offset: u64, len: u64) -> Result<S::Bytes, Error<S::Error>> {
    let cut = || image((Defect::Length, offset));
    let end = offset.checked_add(len).ok_or_else(cut)?;
    let asked = usize::try_from(len).map_err(|_| cut())?;
    if end > source.len() {
        return Err(cut());
    }
    let bytes = source.range(offset, asked).map_err(Error::Source)?;
    if bytes.as_ref().len() == asked { Ok(bytes) } else { Err(cut()) }
}

struct Header<'a> {
    rooted: &'a [u8],
    files: u32,
    index: u64,
    root: [u8; 32],
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8], len: u64) -> Result<Self, Wrong> {
        let mut fields = Index { index: bytes, at: 0 };
        let cut = (Defect::Length, 0);
        if fields.array().ok_or(cut)? != MAGIC {
            return Err((Defect::Magic, 0));
        }
        let version = u32::from_le_bytes(fields.array().ok_or(cut)?);
        if version != VERSION {
            return Err((Defect::Version(version), 8));
        }
        let files = u32::from_le_bytes(fields.array().ok_or(cut)?);
        let index = u64::from_le_bytes(fields.array().ok_or(cut)?);
        let said = u64::from_le_bytes(fields.array().ok_or(cut)?);
        let root = fields.array().ok_or(cut)?;
        if said != len {
            return Err((Defect::Length, 24));
        }
        Ok(Self { rooted: bytes.get(..ROOTED).ok_or(cut)?, files, index, root })
    }
}

/// A cursor over the index (and the header).
struct Index<'a> {
    index: &'a [u8],
    at: usize,
}

impl<'a> Index<'a> {
    /// All files; `data` is where their bytes begin, `end` where the image ends.
    fn files(mut self, count: u32, data: u64, end: u64) -> Result<Vec<File>, Wrong> {
        let mut files: Vec<File> = Vec::new();
        let mut offset = data;
        for _ in 0..count {
            let at = self.offset();
            let file = self.file(&mut offset)?;
            if files.last().is_some_and(|last| last.path.as_bytes() >= file.path.as_bytes()) {
                return Err((Defect::Path, at));
            }
            files.push(file);
        }
        if self.at != self.index.len() {
            return Err((Defect::Index, self.offset()));
        }
        if offset == end { Ok(files) } else { Err((Defect::Length, offset.min(end))) }
    }

    fn file(&mut self, offset: &mut u64) -> Result<File, Wrong> {
        let at = self.offset();
        let cut = (Defect::Index, at);
        let len = usize::from(u16::from_le_bytes(self.array().ok_or(cut)?));
        let path = self.text(len).ok_or(if len > MAX_PATH { (Defect::Path, at) } else { cut })?;
        let path = path.ok().filter(|path| is_path(path)).ok_or((Defect::Path, at))?;
        let [len] = self.array().ok_or(cut)?;
        let media_type = self.text(usize::from(len)).ok_or(cut)?;
        let media_type = media_type.ok().filter(|text| is_media_type(text)).ok_or((Defect::MediaType, at))?;
        let [count] = self.array().ok_or(cut)?;
        let mut variants: Vec<Variant> = Vec::new();
        for _ in 0..count {
            let variant = self.variant(*offset).ok_or(cut)?.ok_or((Defect::Variants, at))?;
            let fits = match (variants.first(), variants.last()) {
                (Some(first), Some(last)) => last.encoding < variant.encoding && variant.len < first.len,
                _ => variant.encoding == Encoding::Identity,
            };
            if !fits {
                return Err((Defect::Variants, at));
            }
            *offset = offset.checked_add(variant.len).ok_or((Defect::Length, at))?;
            variants.push(variant);
        }
        if variants.is_empty() {
            return Err((Defect::Variants, at));
        }
        Ok(File { path: path.into(), media_type: media_type.into(), variants })
    }

    /// The next variant; `None` if the index ends, `Some(None)` if its encoding is unknown.
    fn variant(&mut self, offset: u64) -> Option<Option<Variant>> {
        let [code] = self.array()?;
        let len = u64::from_le_bytes(self.array()?);
        let hash = self.array()?;
        Some(Encoding::from_code(code).map(|encoding| Variant { encoding, len, hash, offset }))
    }

    fn text(&mut self, len: usize) -> Option<Result<&'a str, core::str::Utf8Error>> {
        self.take(len).map(core::str::from_utf8)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let bytes = self.index.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    /// Where in the image the cursor stands.
    fn offset(&self) -> u64 {
        (HEADER + self.at) as u64
    }
}
