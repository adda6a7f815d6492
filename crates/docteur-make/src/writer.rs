//! Lays an image out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use docteur::Encoding;
use docteur::layout::{HEADER, MAGIC, ROOTED, VARIANT, VERSION, is_media_type, is_path};
use sha2::{Digest, Sha256};

use crate::encode::encode;

/// An image could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path that no image may hold.
    #[error("{0:?} cannot be a path in an image: it has to be absolute and clean, without control characters")]
    Path(String),
    /// Text that is no media type.
    #[error("{0:?} is no media type")]
    MediaType(String),
    /// A path was given twice.
    #[error("{0} is there twice")]
    Twice(String),
    /// There are more than 2^32 - 1 files.
    #[error("an image holds at most 4294967295 files")]
    Files,
    /// A folder holds something that is neither a folder nor a plain file.
    #[error("{} is neither a file nor a folder", .0.display())]
    Special(PathBuf),
    /// A name is not UTF-8.
    #[error("{} is not UTF-8", .0.display())]
    Name(PathBuf),
    /// A file could not be read or encoded.
    #[error("{place}: {1}", place = .0.display())]
    Io(PathBuf, #[source] std::io::Error),
}

/// Collects files, then gives the image.
#[derive(Debug, Default)]
pub struct Writer {
    files: BTreeMap<String, (String, Vec<u8>)>,
}

impl Writer {
    /// An image without files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file. The order of calls does not matter.
    ///
    /// # Errors
    /// If the path or the media type is malformed, or the path is there already.
    pub fn add(&mut self, path: &str, media_type: &str, bytes: Vec<u8>) -> Result<(), Error> {
        if !is_path(path) {
            return Err(Error::Path(path.into()));
        }
        if !is_media_type(media_type) {
            return Err(Error::MediaType(media_type.into()));
        }
        if self.files.insert(path.into(), (media_type.into(), bytes)).is_some() {
            return Err(Error::Twice(path.into()));
        }
        Ok(())
    }

    /// The image's bytes. Each file gets the encodings that make it smaller.
    ///
    /// # Errors
    /// If there are too many files, or an encoder fails.
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        let count = u32::try_from(self.files.len()).map_err(|_| Error::Files)?;
        let (mut index, mut data) = (Vec::new(), Vec::new());
        for (path, (media_type, bytes)) in self.files {
            let mut variants = vec![(Encoding::Identity, bytes)];
            for encoding in Encoding::ALL.into_iter().skip(1) {
                let encoded = encode(encoding, &variants[0].1).map_err(|e| Error::Io(PathBuf::from(&path), e))?;
                if encoded.len() < variants[0].1.len() {
                    variants.push((encoding, encoded));
                }
            }
            // `add` let only paths and types pass whose lengths fit.
            index.extend_from_slice(&(path.len() as u16).to_le_bytes());
            index.extend_from_slice(path.as_bytes());
            index.push(media_type.len() as u8);
            index.extend_from_slice(media_type.as_bytes());
            index.push(variants.len() as u8);
            index.reserve(variants.len() * VARIANT);
            for (encoding, bytes) in variants {
                index.push(encoding.code());
                index.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                index.extend_from_slice(&Sha256::digest(&bytes));
                data.extend_from_slice(&bytes);
            }
        }
        let mut image = Vec::with_capacity(HEADER + index.len() + data.len());
        image.extend_from_slice(&MAGIC);
        image.extend_from_slice(&VERSION.to_le_bytes());
        image.extend_from_slice(&count.to_le_bytes());
        image.extend_from_slice(&(index.len() as u64).to_le_bytes());
        image.extend_from_slice(&((HEADER + index.len() + data.len()) as u64).to_le_bytes());
        debug_assert_eq!(image.len(), ROOTED);
        let root = Sha256::new().chain_update(&image).chain_update(&index).finalize();
        image.extend_from_slice(&root);
        image.append(&mut index);
        image.append(&mut data);
        Ok(image)
    }
}
