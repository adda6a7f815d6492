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
    assert_eq!(decoded, plain(encoding, body));
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

/// `body` decoded in the plainest way.
fn plain(encoding: TransferEncoding, body: &[u8]) -> Option<Vec<u8>> {
    match encoding {
        TransferEncoding::Base64 => plain_base64(body),
        TransferEncoding::QuotedPrintable => plain_quoted(body),
        _ => Some(body.to_vec()),
    }
}

fn plain_base64(body: &[u8]) -> Option<Vec<u8>> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text: Vec<char> = body.iter().map(|&b| char::from(b)).filter(|c| !" \t\r\n".contains(*c)).collect();
    let pads = text.iter().rev().take_while(|&&c| c == '=').count();
    if !text.len().is_multiple_of(4) || pads > 2 {
        return None;
    }
    let mut bits = String::new();
    for c in &text[..text.len() - pads] {
        bits += &format!("{:06b}", DIGITS.find(*c)?);
    }
    let bytes = bits.as_bytes().chunks_exact(8).map(|bits| std::str::from_utf8(bits).unwrap());
    bytes.map(|bits| u8::from_str_radix(bits, 2).ok()).collect()
}

fn plain_quoted(body: &[u8]) -> Option<Vec<u8>> {
    let space = |b: &u8| matches!(b, b' ' | b'\t');
    let mut at = 0;
    while at < body.len() {
        let spaces = body[at..].iter().take_while(|b| space(b)).count();
        // Behind an `=` they are only passed over.
        if spaces > 1024 && !body[..at].ends_with(b"=") {
            return None;
        }
        at += spaces + 1;
    }
    let mut out = Vec::new();
    for line in body.split_inclusive(|&b| b == b'\n') {
        let (text, mut end) = match line {
            [text @ .., b'\r', b'\n'] => (text, &b"\r\n"[..]),
            [text @ .., b'\n'] => (text, &b"\n"[..]),
            // The end of all stands for a line feed behind an `=`.
            [text @ .., b'\r'] if stripped(text).ends_with(b"=") => (text, &b""[..]),
            text => (text, &b""[..]),
        };
        let mut rest = stripped(text);
        while let Some((&b, after)) = rest.split_first() {
            rest = after;
            match (b, after) {
                (b'=', []) => end = b"",
                (b'=', [high, low, after @ ..]) => {
                    let digit = |b: u8| char::from(b).to_digit(16);
                    out.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).unwrap());
                    rest = after;
                }
                (b'=', _) => return None,
                _ => out.push(b),
            }
        }
        out.extend_from_slice(end);
    }
    Some(out)
}

fn stripped(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}
