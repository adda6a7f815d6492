//! Compressing: pieces of an image, and the ready-made encodings of a file, at each format's best.

use std::io::{self, Write};

use docteur::layout::Stored;
use docteur::{Codec, Encoding};
use zstd::bulk::Compressor;
use zstd::dict::EncoderDictionary;
use zstd::zstd_safe::{CParameter, DictAttachPref};

use crate::{Error, Options};

/// Brotli's window, 2^22 bytes: what RFC 9110's `br` may use.
const BROTLI_WINDOW: u32 = 22;
/// The best level that needs no window of more than 8 MiB, which is all that RFC 9659 lets a `zstd` content coding use.
const ZSTD_LEVEL: i32 = 19;
pub(crate) const ZSTD_WINDOW: u32 = 23;

/// About how many bytes it takes to encode so many, with all that comes of them.
pub(crate) fn memory(bytes: u64) -> u64 {
    // zstd's tables for a window; brotli's are smaller, and not there at the same time.
    4 * bytes + 12 * bytes.min(1 << ZSTD_WINDOW)
}

/// `bytes` in `encoding`. The same bytes give the same answer.
pub(crate) fn encode(encoding: Encoding, bytes: &[u8]) -> io::Result<Vec<u8>> {
    match encoding {
        Encoding::Brotli => {
            let mut writer = brotli::CompressorWriter::new(Vec::new(), 1 << 16, 11, BROTLI_WINDOW);
            writer.write_all(bytes)?;
            writer.flush()?;
            Ok(writer.into_inner())
        }
        Encoding::Zstd => {
            let mut encoder = zstd::stream::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
            encoder.set_parameter(zstd::zstd_safe::CParameter::WindowLog(ZSTD_WINDOW))?;
            encoder.set_pledged_src_size(Some(bytes.len() as u64))?;
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Encoding::Gzip => {
            // No name and no time, so that the bytes depend on the content alone.
            let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::best());
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        _ => Ok(bytes.to_vec()),
    }
}

/// Level 22 differs from 19 for small inputs by time alone.
const BEST: i32 = 22;
/// The best level with tables of less than a quarter of a gigabyte for a base of 8 MiB.
const GOOD: i32 = 19;

/// Compresses pieces without a base.
pub(crate) struct Packer(Compressor<'static>);

/// The base, digested for a level.
pub(crate) struct Dictionary<'a> {
    digested: Option<EncoderDictionary<'a>>,
    shared: bool,
    base: usize,
}

/// Compresses segments.
pub(crate) struct SegmentPacker<'a> {
    compressor: Compressor<'a>,
    codec: Codec,
}

impl Packer {
    pub(crate) fn new(level: i32) -> Result<Self, Error> {
        let level = if level < GOOD { level } else { BEST };
        Compressor::new(level).map(Self).map_err(Error::io("zstd"))
    }

    /// A piece, stored where compressing does not make it smaller.
    pub(crate) fn alone(&mut self, bytes: &[u8]) -> Result<(Stored, Vec<u8>), Error> {
        piece(&mut self.0, Codec::Zstd, bytes)
    }
}

impl<'a> Dictionary<'a> {
    /// Each context gets a copy of the tables, which is the quickest. But its copy forgets the beginning of the base as a segment fills it;
    /// so where segments are as long as the base, and where tables are large, all contexts look into the same.
    pub(crate) fn new(base: &'a [u8], options: &Options) -> Self {
        let level = if options.level > GOOD { BEST } else { options.level };
        Self {
            digested: (!base.is_empty()).then(|| EncoderDictionary::new(base, level)),
            shared: level > GOOD || options.segment >= options.base,
            base: base.len(),
        }
    }

    /// Bytes that it takes, with the base.
    pub(crate) fn bytes(&self) -> u64 {
        let digested = self.digested.as_ref().map_or(0, |digested| digested.as_cdict().sizeof());
        (self.base + digested) as u64
    }

    /// Bytes that a thread takes which compresses segments of so many bytes: zstd's context, a segment, and results.
    pub(crate) fn bytes_a_thread(&self, segment: usize, level: i32) -> Result<u64, Error> {
        let mut packer = SegmentPacker::new(self, level)?;
        packer.segment(&vec![0; segment])?;
        Ok(packer.compressor.context_mut().sizeof() as u64 + 4 * segment as u64)
    }
}

impl<'a> SegmentPacker<'a> {
    pub(crate) fn new(dictionary: &'a Dictionary<'_>, level: i32) -> Result<Self, Error> {
        match &dictionary.digested {
            Some(digested) => {
                let mut compressor = Compressor::with_prepared_dictionary(digested).map_err(Error::io("zstd"))?;
                if dictionary.shared {
                    let shared = CParameter::ForceAttachDict(DictAttachPref::ForceAttach);
                    compressor.set_parameter(shared).map_err(Error::io("zstd"))?;
                }
                Ok(Self { compressor, codec: Codec::ZstdBase })
            }
            None => Packer::new(level).map(|packer| Self { compressor: packer.0, codec: Codec::Zstd }),
        }
    }

    pub(crate) fn segment(&mut self, bytes: &[u8]) -> Result<(Stored, Vec<u8>), Error> {
        piece(&mut self.compressor, self.codec, bytes)
    }
}

fn piece(compressor: &mut Compressor<'_>, codec: Codec, bytes: &[u8]) -> Result<(Stored, Vec<u8>), Error> {
    let packed = compressor.compress(bytes).map_err(Error::io("zstd"))?;
    if packed.len() < bytes.len() {
        return Ok((Stored::of(codec, &packed, bytes.len()), packed));
    }
    Ok((Stored::of(Codec::Stored, bytes, bytes.len()), bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn every_encoding_decodes_to_what_went_in() {
        let bytes: Vec<u8> = (0..50_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for bytes in [&bytes[..], b""] {
            let mut out = Vec::new();
            let packed = encode(Encoding::Brotli, bytes).unwrap();
            brotli::Decompressor::new(&packed[..], 4096).read_to_end(&mut out).unwrap();
            assert_eq!(out, bytes);
            out.clear();
            let packed = encode(Encoding::Gzip, bytes).unwrap();
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut out).unwrap();
            assert_eq!(out, bytes);
            let packed = encode(Encoding::Zstd, bytes).unwrap();
            assert_eq!(zstd::stream::decode_all(&packed[..]).unwrap(), bytes);
        }
    }
}
