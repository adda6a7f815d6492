//! Writes an encoder case: `form.json` to a Content-Type and a body.

use base64ct::{Base64, Encoding};
use multipart_form::{Boundary, Encoder, Error, PartHead, TransferEncoder, TransferEncoding};
use serde_json::Value;

/// The Content-Type and the body; `Err(None)` where `form` is not as `tests/CASES.md` has it.
pub(crate) fn encode(form: &Value) -> Result<(String, Vec<u8>), Option<Error>> {
    let mut encoder = Encoder::new(Boundary::new(form["boundary"].as_str().ok_or(None)?)?)?;
    let (mut out, mut length) = (Vec::new(), encoder.close_len());
    for part in form["parts"].as_array().ok_or(None)? {
        let body = Base64::decode_vec(part["body_base64"].as_str().ok_or(None)?).map_err(|_| None)?;
        let mut head = PartHead::new(part["name"].as_str().ok_or(None)?);
        if let Some(filename) = part["filename"].as_str() {
            head = head.filename(filename);
        }
        if let Some(content_type) = part["content_type"].as_str() {
            head = head.content_type(content_type)?;
        }
        let mut encoding = TransferEncoding::Identity;
        if let Some(name) = part["cte"].as_str() {
            encoding = TransferEncoding::parse(name.as_bytes())?;
            head = head.transfer_encoding(encoding);
        }
        encoder.begin(&head, &mut out)?;
        let start = out.len();
        let mut transfer = TransferEncoder::new(encoding);
        transfer.encode(&body, &mut out);
        transfer.finish(&mut out);
        let known = TransferEncoder::encoded_len(encoding, body.len() as u64);
        length += encoder.part_len(&head, known.unwrap_or((out.len() - start) as u64));
        encoder.end(&mut out)?;
    }
    encoder.close(&mut out)?;
    assert_eq!(length, out.len() as u64, "the length that was known in advance");
    Ok((encoder.content_type(), out))
}
