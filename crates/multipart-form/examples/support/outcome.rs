//! Reads a case as `tests/CASES.md` describes it and gives its outcome as `expected.json` has it.

use std::fs;
use std::path::Path;

use base64ct::{Base64, Encoding};
use multipart_form::{Boundary, Charsets, Decoder, Error, Event, Head, Limits, Parser, TransferEncoding, base_name};
use serde_json::{Value, json};

/// What is given to the parser.
pub(crate) struct Case {
    pub(crate) content_type: Vec<u8>,
    pub(crate) input: Vec<u8>,
    pub(crate) options: Value,
}

impl Case {
    /// Reads a folder's `content-type.txt`, `input.bin` and, where there is one, `options.json`. An error names the file.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let options = folder.join("options.json");
        let parsed =
            |bytes: Vec<u8>| serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", options.display()));
        Ok(Self {
            content_type: read("content-type.txt")?,
            input: read("input.bin")?,
            options: if options.exists() { parsed(read("options.json")?)? } else { json!({}) },
        })
    }

    /// The outcome, with the input pushed in pieces that end at `cuts` (ascending, inside the input).
    pub(crate) fn outcome(&self, cuts: &[usize]) -> Value {
        let nested = self.options["nested"] == true;
        let parser = || Ok(Parser::new(Boundary::from_content_type(&self.content_type)?, self.limits()));
        let tree = parser().and_then(|parser| read(parser.nested(nested), &self.input, cuts));
        let mut parts = match tree {
            Ok(parts) => parts,
            Err(error) => return json!({"error": error.code()}),
        };
        if nested {
            match parser().and_then(|parser| read(parser, &self.input, cuts)) {
                Ok(flat) => add_bytes(&mut parts, &flat, &self.limits()),
                Err(error) => return json!({"error": error.code()}),
            }
        }
        let mut outcome = json!({});
        let take_bad = |part: &mut Value| part.as_object_mut().and_then(|part| part.remove("bad_encoding"));
        let bad = parts.iter_mut().filter_map(take_bad).count() > 0;
        let strict = Parser::strict(&self.content_type, self.limits());
        match strict.and_then(|parser| read(parser.nested(nested), &self.input, cuts)) {
            Err(error) => outcome["strict_error"] = error.code().into(),
            Ok(_) if bad => outcome["strict_error"] = "bad_encoding".into(),
            Ok(_) => {}
        }
        outcome["parts"] = parts.into();
        outcome
    }

    /// The limits that a case without options has, and those of its options.
    fn limits(&self) -> Limits {
        type Set = fn(Limits, u64) -> Limits;
        let options = [
            ("max_parts", Limits::parts as Set),
            ("max_part_bytes", Limits::part_bytes),
            ("max_body_bytes", Limits::body_bytes),
            ("max_headers", Limits::headers),
            ("max_header_bytes", Limits::header_bytes),
            ("max_depth", Limits::depth),
        ];
        options.into_iter().fold(Limits::unbounded(), |limits, (name, set)| match self.options[name].as_u64() {
            Some(value) => set(limits, value),
            None => limits,
        })
    }
}

fn read(mut parser: Parser, bytes: &[u8], cuts: &[usize]) -> Result<Vec<Value>, Error> {
    let mut reading = Reading { open: vec![(Value::Null, Vec::new())], ..Reading::default() };
    let mut start = 0;
    for &end in cuts.iter().chain([&bytes.len()]) {
        let mut input = &bytes[start..end];
        start = end;
        while let Some(event) = parser.next(&mut input)? {
            reading.event(event);
        }
    }
    parser.close()?;
    Ok(reading.open.pop().map(|(_, parts)| parts).unwrap_or_default())
}

/// A part that has children also has its own bytes, which flat reading tells: `flat` are the same parts, read so.
fn add_bytes(parts: &mut [Value], flat: &[Value], limits: &Limits) {
    for (part, flat) in parts.iter_mut().zip(flat) {
        let body = flat["body_base64"].as_str().unwrap_or_default();
        part["body_base64"] = body.into();
        let Some(children) = part.get_mut("children").and_then(Value::as_array_mut) else { continue };
        let body = Base64::decode_vec(body).unwrap_or_default();
        let boundary = Boundary::from_content_type(flat["content_type"].as_str().unwrap_or_default().as_bytes());
        if let Ok(flat) = boundary.and_then(|boundary| read(Parser::new(boundary, limits.clone()), &body, &[])) {
            add_bytes(children, &flat, limits);
        }
    }
}

/// What has been read so far: the multiparts that are open, and the part.
#[derive(Default)]
struct Reading {
    open: Vec<(Value, Vec<Value>)>,
    part: Value,
    body: Vec<u8>,
    encoding: Option<TransferEncoding>,
    charsets: Charsets,
    charset: multipart_form::Charset,
    is_charset: bool,
}

impl Reading {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Part(head) => {
                self.part = describe(&head);
                self.body.clear();
                // Only where it is said, and inside other parts only where it changes anything.
                self.encoding = head.field("content-transfer-encoding").and_then(|v| TransferEncoding::parse(v).ok());
                self.encoding = self.encoding.filter(|e| self.open.len() == 1 || *e != TransferEncoding::Identity);
                self.charset = self.charsets.of(&head);
                self.is_charset = head.name().as_deref() == Some("_charset_");
            }
            Event::Data(bytes) => self.body.extend_from_slice(bytes),
            Event::End => {
                let mut part = self.part.take();
                part["body_base64"] = Base64::encode_string(&self.body).into();
                if let Some(encoding) = self.encoding {
                    match decode(encoding, &self.body) {
                        Ok(bytes) => part["decoded_base64"] = Base64::encode_string(&bytes).into(),
                        Err(_) => part["bad_encoding"] = true.into(),
                    }
                }
                if !self.body.is_ascii() && part["filename"].is_null() {
                    part["text"] = self.charset.decode(&self.body).into();
                }
                if self.is_charset {
                    self.charsets.observe_label(&self.body);
                }
                self.push(part);
            }
            Event::Enter(head) => self.open.push((describe(&head), Vec::new())),
            Event::Leave => {
                if let Some((mut part, children)) = self.open.pop() {
                    part["children"] = children.into();
                    self.push(part);
                }
            }
            _ => {}
        }
    }

    fn push(&mut self, part: Value) {
        if let Some((_, parts)) = self.open.last_mut() {
            parts.push(part);
        }
    }
}

fn describe(head: &Head<'_>) -> Value {
    let filename = head.filename();
    let mut part = json!({
        "name": head.name(),
        "filename": filename,
        "content_type": head.content_type_raw().map(String::from_utf8_lossy),
        "headers": head.fields().map(|field| json!([field.name(), field.text()])).collect::<Vec<_>>(),
    });
    if let Some(filename) = filename.filter(|name| name.contains(['/', '\\'])) {
        part["filename_base"] = base_name(&filename).into();
    }
    part
}

fn decode(encoding: TransferEncoding, body: &[u8]) -> Result<Vec<u8>, Error> {
    let (mut out, mut decoder) = (Vec::new(), Decoder::new(encoding));
    decoder.decode(body, &mut out)?;
    decoder.finish(&mut out)?;
    Ok(out)
}
