//! Target: what the encoder writes, the parser reads, at the length that was promised.

use multipart_form::{
    Boundary, Decoder, Encoder, ErrorKind, Limits, Parser, PartHead, TransferEncoder, TransferEncoding,
};

use crate::events::{Fields, Told, tell};
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
                let (head, mut fields, _) = head(&mut input);
                let head = head.multipart("mixed", &boundaries[depth]).unwrap();
                let types = ["", "\"one inside\"", "two'inside", "\"in=three\""];
                fields.retain(|(name, _)| name != b"Content-Type");
                fields
                    .insert(1, field("Content-Type", format!("multipart/mixed; boundary={}", types[depth]).as_bytes()));
                length += encoder.begin_len(&head);
                if encoder.enter(&head, boundaries[depth].clone(), &mut out).is_err() {
                    return;
                }
                told.push(Told::Enter(fields));
            }
            1 if depth > 0 => {
                depth -= 1;
                length += encoder.close_len();
                encoder.leave(&mut out).unwrap();
                told.push(Told::Leave);
            }
            _ => {
                let (mut head, mut fields, encoding) = head(&mut input);
                let body = match encoding {
                    None => input.bytes().to_vec(),
                    Some(encoding) => {
                        head = head.transfer_encoding(encoding);
                        let more = fields.iter().position(|(name, _)| name == b"X-More").unwrap_or(fields.len());
                        fields.insert(more, field("Content-Transfer-Encoding", encoding.as_str().as_bytes()));
                        encoded(encoding, input.bytes())
                    }
                };
                // What an encoder is told not to be given.
                if boundaries.iter().any(|b| holds(&body, b.as_str().as_bytes())) {
                    return;
                }
                length += encoder.part_len(&head, body.len() as u64);
                if let Err(error) = encoder.begin(&head, &mut out) {
                    assert_eq!(error.kind(), ErrorKind::UnsafeHeader);
                    return;
                }
                out.extend_from_slice(&body);
                encoder.end(&mut out).unwrap();
                told.push(Told::Part(fields));
                if !body.is_empty() {
                    told.push(Told::Body(body));
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
    assert_eq!(tell(Parser::new(boundary, limits).nested(true), &numbers.pieces(&out)), told);
}

/// A header, the fields that it should be read as, and how a body behind it is to be encoded.
fn head(input: &mut Input<'_>) -> (PartHead, Fields, Option<TransferEncoding>) {
    let name = input.bytes();
    let mut head = PartHead::new(name);
    let options = input.byte();
    let mut disposition = [b"form-data; name=", &quoted(name)[..]].concat();
    let mut more = Fields::new();
    if options & 1 != 0 {
        if options & 8 != 0 {
            head = head.filename("another");
        }
        let filename = input.bytes();
        head = head.filename(filename);
        disposition.extend([b"; filename=", &quoted(filename)[..]].concat());
    }
    if options & 2 != 0 {
        head = head.content_type("application/octet-stream").unwrap();
        more.push(field("Content-Type", b"application/octet-stream"));
    }
    if options & 4 != 0 {
        let value = input.bytes();
        match head.clone().field("X-More", value) {
            Ok(with) => {
                head = with;
                more.push(field("X-More", value));
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::UnsafeHeader);
                assert!(value.iter().any(|b| b"\r\n\0".contains(b)));
            }
        }
    }
    let mut fields = vec![field("Content-Disposition", &disposition)];
    fields.extend(more);
    let encoding = match options & 48 {
        16 => Some(TransferEncoding::Base64),
        32 => Some(TransferEncoding::QuotedPrintable),
        _ => None,
    };
    (head, fields, encoding)
}

/// A body as it is sent, which gives it back.
fn encoded(encoding: TransferEncoding, body: &[u8]) -> Vec<u8> {
    let (mut sent, mut encoder) = (Vec::new(), TransferEncoder::new(encoding));
    encoder.encode(body, &mut sent);
    encoder.finish(&mut sent);
    let (mut read, mut decoder) = (Vec::new(), Decoder::new(encoding));
    decoder.decode(&sent, &mut read).unwrap();
    decoder.finish(&mut read).unwrap();
    assert_eq!(read, body);
    sent
}

/// As WHATWG's forms have it.
fn quoted(text: &[u8]) -> Vec<u8> {
    let escaped = text.iter().flat_map(|b| match b {
        b'"' => b"%22".to_vec(),
        b'\r' => b"%0D".to_vec(),
        b'\n' => b"%0A".to_vec(),
        other => vec![*other],
    });
    [b'"'].into_iter().chain(escaped).chain([b'"']).collect()
}

/// A field as it is read: without spaces around its value.
fn field(name: &str, value: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let space = |b: &u8| matches!(b, b' ' | b'\t');
    let start = value.iter().take_while(|b| space(b)).count();
    let end = value.iter().rev().take_while(|b| space(b)).count();
    (name.as_bytes().to_vec(), value.get(start..value.len() - end).unwrap_or_default().to_vec())
}

fn holds(body: &[u8], boundary: &[u8]) -> bool {
    body.windows(boundary.len()).any(|window| window == boundary)
}
