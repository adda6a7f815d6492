//! Content-Transfer-Encodings, both ways, streaming (RFC 2045, section 6). RFC 7578 section 4.7 tells senders not to use
//! them in forms; mail gateways and older clients do.

mod base64;
mod quoted_printable;

use alloc::vec::Vec;

use crate::error::{Error, ErrorKind};
use crate::value::TransferEncoding;

/// Decodes a body that comes in pieces.
///
/// base64: spaces, tabs, CR and LF are passed over; other characters outside of the alphabet, missing padding and anything
/// behind the padding are errors. quoted-printable: digits of either case; spaces and tabs at a line's end are removed, and
/// more than 1 KiB of them in a row is an error; an `=` at the very end, with nothing but spaces, tabs or a CR behind it, is a soft line break. It holds 1 KiB at most.
#[derive(Clone, Debug)]
pub struct Decoder(Decoding);

#[derive(Clone, Debug)]
enum Decoding {
    Identity,
    Base64(base64::Decoder),
    QuotedPrintable(quoted_printable::Decoder),
    /// It met an error, which stays.
    Failed,
}

/// Encodes a body that comes in pieces, in lines of at most 76 characters, without a line end behind the last.
#[derive(Clone, Debug)]
pub struct TransferEncoder(Encoding);

#[derive(Clone, Debug)]
enum Encoding {
    Identity,
    Base64(base64::Encoder),
    QuotedPrintable(quoted_printable::Encoder),
}

impl Decoder {
    /// A decoder at the beginning of a body.
    #[must_use]
    pub fn new(encoding: TransferEncoding) -> Self {
        Self(match encoding {
            TransferEncoding::Identity => Decoding::Identity,
            TransferEncoding::Base64 => Decoding::Base64(base64::Decoder::default()),
            TransferEncoding::QuotedPrintable => Decoding::QuotedPrintable(quoted_printable::Decoder::default()),
        })
    }

    /// Appends to `out` what `input` stands for, as far as that is certain.
    ///
    /// # Errors
    /// [`ErrorKind::BadEncoding`]; the same again from then on, at the end too.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let decoded = match &mut self.0 {
            Decoding::Identity => {
                out.extend_from_slice(input);
                Some(())
            }
            Decoding::Base64(decoder) => decoder.decode(input, out),
            Decoding::QuotedPrintable(decoder) => decoder.decode(input, out),
            Decoding::Failed => None,
        };
        decoded.ok_or_else(|| {
            self.0 = Decoding::Failed;
            Error::new(ErrorKind::BadEncoding)
        })
    }

    /// Ends the body, and appends what was held until it was certain.
    ///
    /// # Errors
    /// [`ErrorKind::BadEncoding`] where something is missing.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), Error> {
        let complete = match self.0 {
            Decoding::Identity => true,
            Decoding::Base64(decoder) => decoder.finish(),
            Decoding::QuotedPrintable(decoder) => decoder.finish(out),
            Decoding::Failed => false,
        };
        if complete { Ok(()) } else { Err(Error::new(ErrorKind::BadEncoding)) }
    }
}

impl TransferEncoder {
    /// An encoder at the beginning of a body.
    #[must_use]
    pub fn new(encoding: TransferEncoding) -> Self {
        Self(match encoding {
            TransferEncoding::Identity => Encoding::Identity,
            TransferEncoding::Base64 => Encoding::Base64(base64::Encoder::default()),
            TransferEncoding::QuotedPrintable => Encoding::QuotedPrintable(quoted_printable::Encoder::default()),
        })
    }

    /// Appends to `out` what `input` becomes.
    pub fn encode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        match &mut self.0 {
            Encoding::Identity => out.extend_from_slice(input),
            Encoding::Base64(encoder) => encoder.encode(input, out),
            Encoding::QuotedPrintable(encoder) => encoder.encode(input, out),
        }
    }

    /// Appends what is left.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self.0 {
            Encoding::Identity => {}
            Encoding::Base64(encoder) => encoder.finish(out),
            Encoding::QuotedPrintable(encoder) => encoder.finish(out),
        }
    }

    /// How many bytes a body of `len` bytes becomes, where its length alone says so: not for quoted-printable.
    #[must_use]
    pub fn encoded_len(encoding: TransferEncoding, len: u64) -> Option<u64> {
        match encoding {
            TransferEncoding::Identity => Some(len),
            TransferEncoding::Base64 => base64::encoded_len(len),
            TransferEncoding::QuotedPrintable => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: TransferEncoding, input: &[u8]) -> Option<Vec<u8>> {
        let whole = decoded_by(encoding, input, usize::MAX);
        for n in 1..4 {
            assert_eq!(decoded_by(encoding, input, n), whole, "{n} {input:?}");
        }
        whole
    }

    fn decoded_by(encoding: TransferEncoding, input: &[u8], chunk: usize) -> Option<Vec<u8>> {
        let (mut out, mut decoder) = (Vec::new(), Decoder::new(encoding));
        for piece in input.chunks(chunk) {
            decoder.decode(piece, &mut out).ok()?;
        }
        decoder.finish(&mut out).ok().map(|()| out)
    }

    #[test]
    fn base64() {
        let read = |text: &str| decoded(TransferEncoding::Base64, text.as_bytes());
        assert_eq!(read("").as_deref(), Some(&b""[..]));
        assert_eq!(read(" Zm9v\r\nYg=\t= ").as_deref(), Some(&b"foob"[..]));
        assert_eq!(read("Zm9vYmE=").as_deref(), Some(&b"fooba"[..]));
        for bad in ["Zg", "Zg=", "Z", "Zm9", "=", "Zg==Zg==", "Zm9v=", "Zm9v!", "Z===", "Zg==="] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn quoted_printable() {
        let read = |text: &str| decoded(TransferEncoding::QuotedPrintable, text.as_bytes());
        assert_eq!(read("a=3Db=\r\nc \t\r\nd =20\r\n e=").as_deref(), Some(&b"a=bc\r\nd  \r\n e"[..]));
        assert_eq!(read("a= \t\r\nb").as_deref(), Some(&b"ab"[..]));
        assert_eq!(read("a=\nb").as_deref(), Some(&b"ab"[..]));
        assert_eq!(read("a \r b  ").as_deref(), Some(&b"a \r b"[..]));
        assert_eq!(read("a \r").as_deref(), Some(&b"a \r"[..]));
        assert_eq!(read("a=\r").as_deref(), Some(&b"a"[..]));
        assert_eq!(read("a= \t").as_deref(), Some(&b"a"[..]));
        for bad in ["=4", "=x0", "=0x", "==", "= x", "=\rx"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(read(&" ".repeat(1024)).is_some());
        assert_eq!(read(&" ".repeat(1025)), None);
    }

    #[test]
    fn an_error_stays() {
        for (encoding, bad) in [(TransferEncoding::Base64, b"Zm9v!"), (TransferEncoding::QuotedPrintable, b"abc=z")] {
            let (mut out, mut decoder) = (Vec::new(), Decoder::new(encoding));
            assert!(decoder.decode(bad, &mut out).is_err());
            assert!(decoder.decode(b"", &mut out).is_err());
            assert!(decoder.finish(&mut out).is_err());
        }
    }

    #[test]
    fn back_and_forth() {
        let bytes: Vec<u8> = (0..=255).chain(b"  \r\n \t\r\n= .\r\n".iter().copied()).chain([b' '; 90]).collect();
        for encoding in [TransferEncoding::Identity, TransferEncoding::Base64, TransferEncoding::QuotedPrintable] {
            for len in 0..=bytes.len() {
                let mut outs = [1, 5, usize::MAX].map(|chunk| {
                    let (mut out, mut encoder) = (Vec::new(), TransferEncoder::new(encoding));
                    bytes[..len].chunks(chunk).for_each(|piece| encoder.encode(piece, &mut out));
                    encoder.finish(&mut out);
                    out
                });
                outs.sort();
                assert_eq!(outs[0], outs[2]);
                assert_eq!(decoded_by(encoding, &outs[0], 3).as_deref(), Some(&bytes[..len]));
                if let Some(known) = TransferEncoder::encoded_len(encoding, len as u64) {
                    assert_eq!(known, outs[0].len() as u64);
                }
                let lines = outs[0].split(|&b| b == b'\n').map(<[u8]>::len);
                assert!(encoding == TransferEncoding::Identity || lines.max() <= Some(77));
            }
        }
    }
}
