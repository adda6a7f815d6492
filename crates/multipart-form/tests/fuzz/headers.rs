//! Target: typed header values take anything, and read back what is written.

use multipart_form::{
    Boundary, Charset, ContentType, Disposition, Encoder, Event, Limits, Parser, PartHead, TransferEncoding, base_name,
};

/// A header's value, which is also taken for a name, a file name and a boundary.
pub(crate) fn run(data: &[u8]) {
    if let Some(value) = ContentType::parse(data) {
        assert!(!value.kind().is_empty() && !value.subtype().is_empty());
        let _ = (value.param("charset"), value.param("boundary"));
        assert!(value.params().count() <= data.len());
    }
    if let Ok(boundary) = Boundary::from_content_type(data) {
        round(&boundary);
    }
    if let Ok(boundary) = Boundary::new(data) {
        assert_eq!(boundary.as_str().as_bytes(), data);
        round(&boundary);
    }
    if let Ok(value) = Disposition::parse(data) {
        let (name, filename) = (value.name(), value.filename());
        assert!(name.is_none_or(|name| name.len() <= data.len()));
        if let Some(base) = filename.as_deref().and_then(base_name) {
            assert!(!base.is_empty() && base != "." && base != "..");
            assert!(!base.contains(['/', '\\', ':', '\0', '\r', '\n']));
        }
        let _ = (value.kind(), value.is_form_data(), value.filename_extended());
    }
    let _ = TransferEncoding::parse(data);
    if let Some(charset) = Charset::of_label(data) {
        assert!(charset.decode(data).len() <= 3 * data.len());
    }
    for charset in [Charset::Utf8, Charset::Windows1252, Charset::Utf16Le, Charset::Utf16Be] {
        assert!(charset.decode(data).len() <= 3 * data.len());
    }
    names(data);
}

/// A boundary that is written is read back, quoted where it has to be.
fn round(boundary: &Boundary) {
    if let Ok(encoder) = Encoder::new(boundary.clone()) {
        assert_eq!(Boundary::from_form_content_type(encoder.content_type().as_bytes()).as_ref(), Ok(boundary));
    }
}

/// A name and a file name that are written are read back, but for what WHATWG's escaping cannot tell apart.
fn names(data: &[u8]) {
    let escaped = |text: &[u8]| [&b"%22"[..], b"%0D", b"%0A"].iter().any(|e| text.windows(3).any(|w| w == *e));
    let (name, filename) = data.split_at(data.len() / 2);
    let mut encoder = Encoder::new(Boundary::new("b").unwrap()).unwrap();
    let mut out = Vec::new();
    let head = PartHead::new(name).filename(filename);
    let begun = encoder.begin(&head, &mut out);
    assert_eq!(begun.is_err(), data.contains(&0));
    assert_eq!(PartHead::bare().field("X-Field", data).is_err(), data.iter().any(|b| b"\r\n\0".contains(b)));
    if begun.is_err() || escaped(name) || escaped(filename) {
        return;
    }
    let mut parser = Parser::new(Boundary::new("b").unwrap(), Limits::unbounded().header_bytes(u64::MAX));
    match parser.next(&mut &out[..]) {
        Ok(Some(Event::Part(head))) => {
            let disposition = head.disposition().unwrap();
            assert_eq!(disposition.name().as_deref(), Some(name));
            assert_eq!(disposition.filename_raw().as_deref(), Some(filename));
        }
        other => panic!("{other:?}"),
    }
}
