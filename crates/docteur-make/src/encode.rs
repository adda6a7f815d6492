//! The ready-made encodings of a file, at each format's best.

use std::io::{self, Write};

use docteur::Encoding;

/// Brotli's window, 2^22 bytes: what RFC 9110's `br` may use.
const BROTLI_WINDOW: u32 = 22;
/// The best level that needs no window of more than 8 MiB, which is all that RFC 9659 lets a `zstd` content coding use.
const ZSTD_LEVEL: i32 = 19;
const ZSTD_WINDOW: u32 = 23;

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
