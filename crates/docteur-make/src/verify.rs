//! Holding an image against what it says: beyond its hashes, that hard links are one file and that encodings decode to their files.

use std::collections::HashMap;
use std::io::{self, BufRead, Read};

use docteur::layout::RecordWriter;
use docteur::{Cache, Content, Encoding, Entry, Image, Kind, Reader, Source, Walk};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::encode::ZSTD_WINDOW;
use crate::error::show;

/// How much is decoded and compared at once.
const AT_ONCE: usize = 64 << 10;

/// Checks all that [`Image::verify`] does, and then what can only be said with decoders at hand: that hard links of each other have one
/// content or target, mode, time and attributes, and that each ready-made encoding decodes to its file, by what a browser has. A file with
/// encodings is decoded once for each; `most` bounds these bytes, since a small image can stand for many. Memory grows with the groups of
/// hard links alone, by some 80 bytes each. `progress` is told bytes of the image that are done, and all.
///
/// # Errors
/// The first thing that is wrong: [`Error::Image`], [`Error::Linked`], [`Error::Encoding`]; [`Error::TooMuch`] beyond `most`.
pub fn verify<S: Source<Error = io::Error>>(
    image: &Image<S>,
    most: u64,
    progress: impl FnMut(u64, u64),
) -> Result<(), Error> {
    let mut cache = Cache::new(8 << 20);
    image.verify(&mut cache, progress)?;
    let mut encoded = cache.sibling();
    let (mut links, mut walk, mut left) = (Links::default(), Walk::new(), most);
    while let Some(entry) = walk.next(image, &mut cache)? {
        links.check(&entry)?;
        let Kind::File(content) = &entry.kind else { continue };
        for (which, encoding) in &entry.encodings {
            let what = "the bytes to decode of ready-made encodings";
            left = left.checked_sub(content.size).ok_or(Error::TooMuch { what, limit: most })?;
            let mut reader = Reader::new(image, encoded, *encoding);
            let same = decodes_to(image, &mut cache, content, *which, &mut reader)?;
            encoded = reader.into_cache();
            if !same {
                return Err(Error::Encoding(show(&entry.path), *which));
            }
        }
    }
    Ok(())
}

/// Whether what `encoded` has in an encoding is a content; a failed read of the image is an error.
fn decodes_to<S: Source<Error = io::Error>>(
    image: &Image<S>,
    cache: &mut Cache,
    content: &Content,
    which: Encoding,
    encoded: &mut Reader<'_, S>,
) -> Result<bool, Error> {
    let Ok(mut decoder) = decoder(which, encoded) else { return Ok(false) };
    let (mut buffer, mut at) = (vec![0; AT_ONCE], 0);
    loop {
        let len = match decoder.read(&mut buffer) {
            Ok(0) => return Ok(at == content.size),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Ok(false),
        };
        let mut rest = buffer.get(..len).unwrap_or_default();
        while !rest.is_empty() {
            let piece = image.piece_of(cache, content, at, rest.len())?;
            match rest.strip_prefix(piece) {
                Some(after) if !piece.is_empty() => rest = after,
                _ => return Ok(false),
            }
            at += piece.len() as u64;
        }
    }
}

/// A decoder that takes what every client does: windows of at most 16 MiB for brotli (RFC 7932), 8 MiB for zstd (RFC 9659).
fn decoder<'a>(which: Encoding, encoded: &'a mut (impl BufRead + 'a)) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match which {
        // Of a stream with a large window the first byte begins so; it is no encoding of the web.
        Encoding::Brotli if encoded.fill_buf()?.first().is_some_and(|first| first & 0x7F == 0x11) => {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Encoding::Brotli => Box::new(brotli::Decompressor::new(encoded, AT_ONCE)),
        Encoding::Zstd => {
            let mut decoder = zstd::stream::Decoder::with_buffer(encoded)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            Box::new(decoder)
        }
        Encoding::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(encoded)),
        _ => Box::new(encoded),
    })
}

/// What hard links of each other have in common: SHA-256 of it, by their number.
#[derive(Debug, Default)]
pub(crate) struct Links(HashMap<u64, [u8; 32]>);

impl Links {
    /// Takes the next entry, which has to have what those before it have that are linked with it. Types and encodings go by the path.
    pub(crate) fn check(&mut self, entry: &Entry) -> Result<(), Error> {
        let Some(link) = entry.link else { return Ok(()) };
        let mut record = RecordWriter::default();
        let (kind, attributes) = (entry.kind.clone(), entry.attributes.clone());
        let (mode, modified) = (entry.mode, entry.modified);
        let (path, encodings) = (Vec::new(), Vec::new());
        record.push(&Entry { path, kind, mode, modified, attributes, link: None, media_type: None, encodings });
        let common: [u8; 32] = Sha256::digest(record.bytes()).into();
        if *self.0.entry(link).or_insert(common) == common { Ok(()) } else { Err(Error::Linked(show(&entry.path))) }
    }
}
