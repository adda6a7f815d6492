//! HTTP/3 frames as they arrive on a stream (RFC 9114 section 7.1), before h3 sees them: what has to be kept whole is bounded
//! and comes in one piece, what means nothing is left out, and an end in the middle of a frame is noticed.

use bytes::{Buf, Bytes, BytesMut};

const DATA: u64 = 0;
const HEADERS: u64 = 1;
/// The frames that mean something (RFC 9114 section 7.2), or whose sending is an error since HTTP/2 (section 7.2.8).
const KNOWN: std::ops::RangeInclusive<u64> = 2..=9;
const MAX_PUSH_ID: u64 = 0xd;
/// The stream that control frames come on (RFC 9114 section 6.2.1).
const CONTROL: u64 = 0;
/// The longest frame that is kept and is no head: settings.
const MOST: u64 = 4096;

/// What is wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A frame is longer than may be kept.
    TooLong,
    /// There are too many frames at once that have to be kept.
    NoRoom,
}

/// What comes of the bytes of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes for h3: all of a frame, the head of one with data, or a part of its data.
    Given(Bytes),
    /// A frame begins that is to be kept whole: room for so many bytes is needed.
    Begins(usize),
    /// A frame that carries nothing.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Frames {
    step: Step,
    /// The longest head.
    most: u64,
}

#[derive(Debug)]
enum Step {
    /// The kind of a stream that a client opens beside its requests.
    Kind(Head),
    /// Between two frames, or in the head of one.
    Head(Head),
    /// Data that goes on as it comes.
    Data(u64),
    /// A frame that is kept until it is whole.
    Keep(BytesMut, usize),
    /// What nobody knows.
    Skip(u64),
    /// A stream of no frames.
    Raw,
}

/// Up to two numbers of variable length (RFC 9000 section 16).
#[derive(Debug, Default)]
struct Head {
    bytes: [u8; 16],
    have: usize,
}

impl Head {
    /// Takes bytes until there are `numbers` numbers, and gives them.
    fn take(&mut self, from: &mut Bytes, numbers: usize) -> Option<[u64; 2]> {
        loop {
            let (mut at, mut found) = (0, [0; 2]);
            let mut count = 0;
            while count < numbers && at < self.have {
                let len = 1 << (self.bytes[at] >> 6);
                if at + len > self.have {
                    break;
                }
                let first = u64::from(self.bytes[at] & 0x3f);
                found[count] = self.bytes[at + 1..at + len].iter().fold(first, |n, byte| n << 8 | u64::from(*byte));
                (at, count) = (at + len, count + 1);
            }
            if count == numbers {
                return Some(found);
            }
            if !from.has_remaining() || self.have == self.bytes.len() {
                return None;
            }
            self.bytes[self.have] = from.get_u8();
            self.have += 1;
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.have]
    }
}

impl Frames {
    /// Those of a request, whose head has `most` bytes at most.
    pub(super) fn of_request(most: usize) -> Self {
        Self { step: Step::Head(Head::default()), most: most as u64 }
    }

    /// Those of a stream that a client opened beside its requests.
    pub(super) fn of_other() -> Self {
        Self { step: Step::Kind(Head::default()), most: 0 }
    }

    /// Whether the stream may end here.
    pub(super) fn is_between(&self) -> bool {
        match &self.step {
            Step::Head(head) => head.have == 0,
            Step::Kind(_) | Step::Raw => true,
            _ => false,
        }
    }

    /// What comes next of `from`; `None` where more is needed.
    pub(super) fn next(&mut self, from: &mut Bytes) -> Result<Option<Piece>, Wrong> {
        loop {
            match &mut self.step {
                Step::Kind(head) => {
                    let Some([kind, _]) = head.take(from, 1) else { return Ok(None) };
                    let given = Bytes::copy_from_slice(head.bytes());
                    self.step = if kind == CONTROL { Step::Head(Head::default()) } else { Step::Raw };
                    return Ok(Some(Piece::Given(given)));
                }
                Step::Head(head) => {
                    let Some([kind, len]) = head.take(from, 2) else { return Ok(None) };
                    let head = std::mem::take(head);
                    match kind {
                        // h3 would take it for the end of the body.
                        DATA if len == 0 => return Ok(Some(Piece::Nothing)),
                        DATA => {
                            self.step = Step::Data(len);
                            return Ok(Some(Piece::Given(Bytes::copy_from_slice(head.bytes()))));
                        }
                        HEADERS | MAX_PUSH_ID => {}
                        kind if KNOWN.contains(&kind) => {}
                        _ => {
                            self.step = if len > 0 { Step::Skip(len) } else { Step::Head(Head::default()) };
                            return Ok(Some(Piece::Nothing));
                        }
                    }
                    let most = if kind == HEADERS { self.most } else { MOST };
                    let len = usize::try_from(len).ok().filter(|len| *len as u64 <= most).ok_or(Wrong::TooLong)?;
                    self.step = Step::Keep(head.bytes().into(), len);
                    return Ok(Some(Piece::Begins(len)));
                }
                Step::Keep(kept, left) => {
                    let taken = from.split_to(from.len().min(*left));
                    *left -= taken.len();
                    kept.extend_from_slice(&taken);
                    if *left > 0 {
                        return Ok(None);
                    }
                    let whole = std::mem::take(kept).freeze();
                    self.step = Step::Head(Head::default());
                    return Ok(Some(Piece::Given(whole)));
                }
                Step::Data(left) => {
                    if from.is_empty() {
                        return Ok(None);
                    }
                    let taken = from.split_to(cut(from, *left));
                    *left -= taken.len() as u64;
                    if *left == 0 {
                        self.step = Step::Head(Head::default());
                    }
                    return Ok(Some(Piece::Given(taken)));
                }
                Step::Skip(left) => {
                    let skipped = cut(from, *left);
                    from.advance(skipped);
                    *left -= skipped as u64;
                    if *left > 0 {
                        return Ok(None);
                    }
                    self.step = Step::Head(Head::default());
                }
                Step::Raw if from.is_empty() => return Ok(None),
                Step::Raw => return Ok(Some(Piece::Given(std::mem::take(from)))),
            }
        }
    }
}

/// How much of `from` belongs to what has `left` bytes left.
fn cut(from: &Bytes, left: u64) -> usize {
    usize::try_from(left).map_or(from.len(), |left| left.min(from.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame whose length takes four bytes.
    fn frame(kind: u8, len: usize) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend((u32::try_from(len).unwrap() | 0x8000_0000).to_be_bytes());
        bytes.resize(bytes.len() + len, kind);
        bytes
    }

    /// What is given of `bytes` that come in pieces of `size`; data is joined, and frames that mean nothing are counted.
    fn given(mut frames: Frames, bytes: &[u8], size: usize) -> Result<(Vec<u8>, usize, bool), Wrong> {
        let (mut out, mut nothing) = (Vec::new(), 0);
        for piece in bytes.chunks(size) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(next) = frames.next(&mut piece)? {
                match next {
                    Piece::Given(bytes) => out.extend(bytes),
                    Piece::Nothing => nothing += 1,
                    Piece::Begins(_) => {}
                }
            }
            assert!(piece.is_empty());
        }
        Ok((out, nothing, frames.is_between()))
    }

    #[test]
    fn any_pieces_give_the_same_and_what_means_nothing_is_left_out() {
        let (head, data, more) = (frame(1, 300), frame(0, 70_000), frame(0, 5));
        let all = [frame(0x21, 9), head.clone(), data.clone(), frame(0, 0), frame(0x21, 0), more.clone()].concat();
        let expected = [head, data, more].concat();
        for size in [1, 2, 3, 5, 7, 64, 1000, all.len()] {
            assert_eq!(given(Frames::of_request(1000), &all, size), Ok((expected.clone(), 3, true)), "{size}");
        }
    }

    #[test]
    fn a_head_is_kept_until_it_is_whole_and_not_for_ever() {
        let mut frames = Frames::of_request(300);
        let head = frame(1, 300);
        let (first, last) = head.split_at(200);
        let mut bytes = Bytes::copy_from_slice(first);
        assert_eq!(frames.next(&mut bytes), Ok(Some(Piece::Begins(300))));
        assert_eq!(frames.next(&mut bytes), Ok(None));
        assert!(!frames.is_between());
        assert_eq!(frames.next(&mut Bytes::copy_from_slice(last)), Ok(Some(Piece::Given(head.into()))));
        assert_eq!(given(Frames::of_request(300), &frame(1, 301)[..6], 6), Err(Wrong::TooLong));
        assert_eq!(given(Frames::of_request(300), &[5, 0xc0, 0, 0, 1, 0, 0, 0, 0], 1), Err(Wrong::TooLong));
    }

    #[test]
    fn only_the_control_stream_has_frames() {
        let settings = [vec![0], frame(4, 10)].concat();
        assert_eq!(given(Frames::of_other(), &settings, 3), Ok((settings, 0, true)));
        let encoder = [vec![2], frame(0x21, 10)].concat();
        assert_eq!(given(Frames::of_other(), &encoder, 3), Ok((encoder, 0, true)));
        let cut = [vec![0], frame(4, 10)].concat();
        assert_eq!(given(Frames::of_other(), &cut[..9], 3).map(|(_, _, between)| between), Ok(false));
    }
}
