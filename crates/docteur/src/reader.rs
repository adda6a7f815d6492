//! A content as a stream of the standard library.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use crate::{Cache, Content, Error, Image, Source};

/// The most bytes that are decoded ahead of what is read.
const AHEAD: usize = 64 << 10;

/// A file's bytes, or those of one of its encodings. It can be read from any place; each byte was checked.
#[derive(Debug)]
pub struct Reader<'i, S> {
    image: &'i Image<S>,
    cache: Cache,
    content: Content,
    at: u64,
}

impl<'i, S: Source> Reader<'i, S> {
    /// Before the first byte of `content`, which has to be of `image`. It reads through `cache`: a [`Cache::sibling`] of another's shares
    /// the base with it.
    pub fn new(image: &'i Image<S>, cache: Cache, content: Content) -> Self {
        Self { image, cache, content, at: 0 }
    }

    /// Gives the cache back.
    pub fn into_cache(self) -> Cache {
        self.cache
    }
}

impl<S: Source<Error: std::error::Error + Send + Sync + 'static>> Reader<'_, S> {
    fn piece(&mut self, most: usize) -> io::Result<&[u8]> {
        self.image.piece_of(&mut self.cache, &self.content, self.at, most).map_err(|error| {
            let kind =
                if matches!(error, Error::Source(_)) { io::ErrorKind::Other } else { io::ErrorKind::InvalidData };
            io::Error::new(kind, error)
        })
    }
}

/// An image's damage is an error of [`io::ErrorKind::InvalidData`].
impl<S: Source<Error: std::error::Error + Send + Sync + 'static>> Read for Reader<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.piece(buffer.len())?;
        let len = piece.len();
        buffer.get_mut(..len).unwrap_or_default().copy_from_slice(piece);
        self.at += len as u64;
        Ok(len)
    }
}

impl<S: Source<Error: std::error::Error + Send + Sync + 'static>> BufRead for Reader<'_, S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.piece(AHEAD)
    }

    fn consume(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes as u64);
    }
}

/// As in a file, a place beyond the end is one where nothing is read.
impl<S: Source> Seek for Reader<'_, S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.content.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "there is no byte before the first"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use crate::{Kind, Limits, Memory};

    use super::*;

    const IMAGE: &[u8] = include_bytes!("../tests/frozen/small-1.img");

    #[test]
    fn a_stream_is_the_content_from_any_place() {
        let image = Image::open(Memory(IMAGE), &Limits::default()).unwrap();
        let mut cache = Cache::new(0);
        let entry = image.find(&mut cache, b"docs/index.html").unwrap().unwrap();
        let Kind::File(content) = entry.kind else { unreachable!("it is a file") };
        let all = image.read_all(&mut cache, &content, 1 << 20).unwrap();
        assert!(all.len() > 100);
        let mut reader = Reader::new(&image, cache, content);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, all);
        for (to, at) in [
            (SeekFrom::Start(7), 7),
            (SeekFrom::End(-9), all.len() - 9),
            (SeekFrom::Start(50), 50),
            (SeekFrom::Current(-20), all.len() - 20),
            (SeekFrom::End(5), all.len()),
        ] {
            let there = reader.seek(to).unwrap();
            assert_eq!(there.min(all.len() as u64), at as u64);
            let (mut read, mut buffered) = (Vec::new(), Vec::new());
            reader.read_to_end(&mut read).unwrap();
            assert_eq!(read, &all[at..]);
            reader.seek(SeekFrom::Start(there)).unwrap();
            while let piece @ [_, ..] = reader.fill_buf().unwrap() {
                buffered.push(piece[0]);
                reader.consume(1);
            }
            assert_eq!(buffered, &all[at..]);
        }
        let refused = reader.seek(SeekFrom::End(-1_000_000)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn damage_is_told_as_invalid_data() {
        let image = Image::open(Memory(IMAGE), &Limits::default()).unwrap();
        let content = Content { size: 10, segment: u32::MAX, offset: 0 };
        let told = Reader::new(&image, Cache::new(0), content).read(&mut [0; 4]).unwrap_err();
        assert_eq!(told.kind(), io::ErrorKind::InvalidData);
    }
}
