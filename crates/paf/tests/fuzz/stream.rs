//! The frames of an HTTP/3 stream, in any pieces, against a reader that has all of the stream at once.
//!
//! Of the input, the first byte says what kind of stream it is, the second how long a head may be, the third how it is cut.

use bytes::Bytes;

#[path = "../../src/http/three/frames.rs"]
mod frames;

use crate::input::Numbers;
use frames::{Frames, Piece, Wrong};

/// The longest frame that is kept and is no head.
const MOST: u64 = 4096;

/// What is given of a stream, how many frames carried nothing, and whether it may end.
type Seen = Result<(Vec<u8>, usize, bool), Wrong>;

pub(crate) fn run(data: &[u8]) {
    let Some((&[kind, most, cut], stream)) = data.split_first_chunk() else { return };
    let (is_request, most) = (kind % 2 == 0, usize::from(most) * 4);
    let expected = naive(is_request, most as u64, stream);
    let frames = || if is_request { Frames::of_request(most) } else { Frames::of_other() };
    let mut numbers = Numbers::new(u64::from(cut));
    let longest = 1 + numbers.below(64);
    assert_eq!(in_pieces(frames(), most, stream, || 1 + numbers.below(longest)), expected);
    assert_eq!(in_pieces(frames(), most, stream, || usize::MAX), expected);
}

fn in_pieces(mut frames: Frames, most: usize, stream: &[u8], mut size: impl FnMut() -> usize) -> Seen {
    let (mut out, mut nothing, mut rest) = (Vec::new(), 0, stream);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(size().min(rest.len()));
        let mut piece = Bytes::copy_from_slice(piece);
        rest = after;
        while let Some(next) = frames.next(&mut piece)? {
            match next {
                Piece::Given(bytes) => out.extend(bytes),
                Piece::Nothing => nothing += 1,
                Piece::Begins(len) => assert!(len <= most.max(MOST as usize), "{len} bytes are to be kept"),
            }
        }
        assert!(piece.is_empty(), "bytes are left");
        assert!(out.len() <= stream.len(), "more is given than came");
    }
    Ok((out, nothing, frames.is_between()))
}

/// RFC 9114 section 7.1, word for word.
fn naive(is_request: bool, most: u64, mut stream: &[u8]) -> Seen {
    let (mut out, mut nothing) = (Vec::new(), 0);
    if !is_request {
        let Some((kind, len)) = number(stream) else { return Ok((out, nothing, true)) };
        if kind != 0 {
            return Ok((stream.to_vec(), nothing, true));
        }
        out.extend(&stream[..len]);
        stream = &stream[len..];
    }
    let most_of_head = if is_request { most } else { 0 };
    while !stream.is_empty() {
        let head = number(stream).and_then(|(kind, a)| number(&stream[a..]).map(|(len, b)| (kind, len, a + b)));
        let Some((kind, len, head)) = head else { return Ok((out, nothing, false)) };
        let have = (stream.len() - head) as u64;
        let body = len.min(have) as usize;
        let is_kept = matches!(kind, 1..=9 | 0xd);
        if is_kept && len > if kind == 1 { most_of_head } else { MOST } {
            return Err(Wrong::TooLong);
        }
        match kind {
            0 if len > 0 => out.extend(&stream[..head + body]),
            _ if is_kept && have >= len => out.extend(&stream[..head + body]),
            _ if is_kept => {}
            _ => nothing += 1,
        }
        if have < len {
            return Ok((out, nothing, false));
        }
        stream = &stream[head + body..];
    }
    Ok((out, nothing, true))
}

/// A number of variable length (RFC 9000 section 16), and how many bytes it takes.
fn number(bytes: &[u8]) -> Option<(u64, usize)> {
    let len = 1 << (bytes.first()? >> 6);
    let mut number = [0; 8];
    number[8 - len..].copy_from_slice(bytes.get(..len)?);
    number[8 - len] &= 0x3f;
    Some((u64::from_be_bytes(number), len))
}
