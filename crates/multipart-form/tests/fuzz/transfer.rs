//! Target: transfer decoders take any split, and give back what was encoded.

use multipart_form::{Decoder, TransferEncoder, TransferEncoding};

use crate::input::{Input, Numbers};

/// An encoding, a seed for splits, a body.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let encodings = [TransferEncoding::Base64, TransferEncoding::QuotedPrintable, TransferEncoding::Identity];
    let encoding = encodings[usize::from(input.byte()) % 3];
    let mut numbers = Numbers::new(u64::from(input.byte()));
    let body = input.0;
    let decoded = decode(encoding, &[body]);
    assert_eq!(decode(encoding, &numbers.pieces(body)), decoded);
    assert!(decoded.is_none_or(|decoded| decoded.len() <= body.len()));
    let whole = encode(encoding, &[body]);
    assert_eq!(encode(encoding, &numbers.pieces(body)), whole);
    assert_eq!(decode(encoding, &numbers.pieces(&whole)).as_deref(), Some(body));
    if let Some(known) = TransferEncoder::encoded_len(encoding, body.len() as u64) {
        assert_eq!(known, whole.len() as u64);
    }
    if encoding != TransferEncoding::Identity {
        assert!(whole.split(|&b| b == b'\n').all(|line| line.len() <= 77));
    }
}

fn decode(encoding: TransferEncoding, pieces: &[&[u8]]) -> Option<Vec<u8>> {
    let (mut out, mut decoder) = (Vec::new(), Decoder::new(encoding));
    for piece in pieces {
        decoder.decode(piece, &mut out).ok()?;
    }
    decoder.finish(&mut out).ok().map(|()| out)
}

fn encode(encoding: TransferEncoding, pieces: &[&[u8]]) -> Vec<u8> {
    let (mut out, mut encoder) = (Vec::new(), TransferEncoder::new(encoding));
    for piece in pieces {
        encoder.encode(piece, &mut out);
    }
    encoder.finish(&mut out);
    out
}
