//! Target: what the encoder writes, the parser reads, at the length that was promised.

use multipart_form::{Boundary, Encoder, ErrorKind, Limits, Parser, PartHead};

use crate::events::{Told, tell};
use crate::input::{Input, Numbers};

/// A program of the encoder's calls.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut numbers = Numbers::new(u64::from(input.byte()));
    let boundaries = ["outermost", "one inside", "two'inside", "in=three"].map(|b| Boundary::new(b).unwrap());
    let mut encoder = Encoder::new(boundaries[0].clone()).unwrap();
    let (mut out, mut told, mut depth, mut length) = (Vec::new(), Vec::new(), 0, 0);
    while !input.is_empty() {
        match input.byte() % 8 {
            0 if depth < 3 => {
                depth += 1;
                let head = head(&mut input).multipart("mixed", &boundaries[depth]).unwrap();
                length += encoder.begin_len(&head);
                if encoder.enter(&head, boundaries[depth].clone(), &mut out).is_err() {
                    return;
                }
                told.push(Told::Enter(Vec::new()));
            }
            1 if depth > 0 => {
                depth -= 1;
                length += encoder.close_len();
                encoder.leave(&mut out).unwrap();
                told.push(Told::Leave);
            }
            _ => {
                let head = head(&mut input);
                let body = input.bytes();
                // What an encoder is told not to be given.
                if boundaries.iter().any(|b| holds(body, b.as_str().as_bytes())) {
                    return;
                }
                length += encoder.part_len(&head, body.len() as u64);
                if let Err(error) = encoder.begin(&head, &mut out) {
                    assert_eq!(error.kind(), ErrorKind::UnsafeHeader);
                    return;
                }
                out.extend_from_slice(body);
                encoder.end(&mut out).unwrap();
                told.push(Told::Part(Vec::new()));
                if !body.is_empty() {
                    told.push(Told::Body(body.to_vec()));
                }
                told.push(Told::End(0));
            }
        }
    }
    for _ in 0..depth {
        length += encoder.close_len();
        encoder.leave(&mut out).unwrap();
        told.push(Told::Leave);
    }
    length += encoder.close_len();
    encoder.close(&mut out).unwrap();
    told.push(Told::Done);
    assert_eq!(length, out.len() as u64);
    let content_type = encoder.content_type();
    let limits = Limits::unbounded().header_bytes(u64::MAX).headers(u64::MAX);
    let boundary = Boundary::from_form_content_type(content_type.as_bytes()).unwrap();
    let mut read = tell(Parser::new(boundary, limits).nested(true), &numbers.pieces(&out));
    for told in &mut read {
        if let Told::Part(fields) | Told::Enter(fields) = told {
            fields.clear();
        }
    }
    assert_eq!(read, told);
}

fn head(input: &mut Input<'_>) -> PartHead {
    let mut head = PartHead::new(input.bytes());
    let options = input.byte();
    if options & 1 != 0 {
        head = head.filename(input.bytes());
    }
    if options & 2 != 0 {
        head = head.content_type("application/octet-stream").unwrap();
    }
    if options & 4 != 0 {
        let value = input.bytes();
        head = head.clone().field("X-More", value).unwrap_or(head);
    }
    head
}

fn holds(body: &[u8], boundary: &[u8]) -> bool {
    body.windows(boundary.len()).any(|window| window == boundary)
}
