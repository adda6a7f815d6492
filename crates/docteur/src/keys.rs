//! An image as a read-only map from keys to values, for an application that wants no file system.

use alloc::vec::Vec;

use crate::{Cache, Content, Error, Image, Kind, List, Source, Time};

/// Files by their paths: what MirageOS calls a read-only key-value store. Symbolic links are not followed, and have no value.
#[derive(Debug)]
pub struct Keys<'i, S> {
    image: &'i Image<S>,
    cache: Cache,
    most: usize,
}

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A file of so many bytes.
    Value(u64),
    /// A folder.
    Folder,
}

/// A key, and what it stands for.
pub type Key = (Vec<u8>, What);

impl<'i, S: Source> Keys<'i, S> {
    /// Looks into `image` through `cache`; no value that it gives is longer than `most` bytes.
    pub fn new(image: &'i Image<S>, cache: Cache, most: usize) -> Self {
        Self { image, cache, most }
    }

    /// What is at `key`: names joined by `/`; empty for the root.
    ///
    /// # Errors
    /// As [`Image::find`].
    pub fn what(&mut self, key: &[u8]) -> Result<Option<What>, Error<S::Error>> {
        Ok(match self.image.find(&mut self.cache, key)?.map(|entry| entry.kind) {
            Some(Kind::File(content)) => Some(What::Value(content.size)),
            Some(Kind::Directory) => Some(What::Folder),
            _ => None,
        })
    }

    /// The value of `key`, if it has one.
    ///
    /// # Errors
    /// As [`Image::find`] and [`Image::read_all`]; [`Error::Size`] if it is too long.
    pub fn value(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Error<S::Error>> {
        let Some(content) = self.content(key)? else { return Ok(None) };
        self.image.read_all(&mut self.cache, &content, self.most).map(Some)
    }

    /// At most `most` bytes of the value of `key` from `offset` on; fewer at its end.
    ///
    /// # Errors
    /// As [`Keys::value`]; [`Error::Size`] if more is asked for than a value may have.
    pub fn part(&mut self, key: &[u8], offset: u64, most: usize) -> Result<Option<Vec<u8>>, Error<S::Error>> {
        let Some(content) = self.content(key)? else { return Ok(None) };
        let left = usize::try_from(content.size.saturating_sub(offset)).unwrap_or(usize::MAX).min(most);
        if left > self.most {
            return Err(Error::Size { size: left as u64, limit: self.most as u64 });
        }
        let mut part = Vec::new();
        while part.len() < left {
            let piece =
                self.image.piece_of(&mut self.cache, &content, offset + part.len() as u64, left - part.len())?;
            part.extend_from_slice(piece);
        }
        Ok(Some(part))
    }

    /// When what is at `key` was last changed.
    ///
    /// # Errors
    /// As [`Image::find`].
    pub fn modified(&mut self, key: &[u8]) -> Result<Option<Time>, Error<S::Error>> {
        Ok(self.image.find(&mut self.cache, key)?.map(|entry| entry.modified))
    }

    /// The keys in the folder at `key`, ascending, with what they stand for; links are left out. None if it is no folder.
    ///
    /// # Errors
    /// As [`Image::find`]; [`Error::Size`] if they take more memory than a value may have: a small image can stand for very many.
    pub fn list(&mut self, key: &[u8]) -> Result<Vec<Key>, Error<S::Error>> {
        let mut list = List::new(key);
        let mut all = Vec::new();
        let mut size = 0;
        while let Some(entry) = list.next(self.image, &mut self.cache)? {
            size += entry.path.len() + size_of::<Key>();
            if size > self.most {
                return Err(Error::Size { size: size as u64, limit: self.most as u64 });
            }
            match entry.kind {
                Kind::File(content) => all.push((entry.path, What::Value(content.size))),
                Kind::Directory => all.push((entry.path, What::Folder)),
                Kind::Symlink(_) => {}
            }
        }
        Ok(all)
    }

    fn content(&mut self, key: &[u8]) -> Result<Option<Content>, Error<S::Error>> {
        Ok(match self.image.find(&mut self.cache, key)?.map(|entry| entry.kind) {
            Some(Kind::File(content)) => Some(content),
            _ => None,
        })
    }
}
