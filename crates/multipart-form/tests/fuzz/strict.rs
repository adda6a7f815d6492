//! Target: the strict layer refuses, and tells nothing else than the lenient one does.

use multipart_form::{Boundary, ContentType, Disposition, ErrorKind, Limit, Limits, Parser};

use crate::events::{Fields, Told, tell};
use crate::input::{Input, Numbers};

/// Options, a seed for splits, a Content-Type up to a line feed, a body.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let (options, seed) = (input.byte(), input.byte());
    let content_type = input.until(b'\n');
    let body = input.0;
    let nested = options & 1 != 0;
    let limits = if options & 2 == 0 { Limits::unbounded() } else { Limits::default() };
    let boundary = Boundary::from_content_type(content_type);
    let strict = || Parser::strict(content_type, limits.clone()).map(|parser| parser.nested(nested));
    let parser = match strict() {
        Ok(parser) => parser,
        Err(error) => {
            assert!(boundary.is_err() || error.kind() == ErrorKind::NotFormData, "{error}");
            assert!((400..500).contains(&error.status()));
            return;
        }
    };
    let told = tell(parser, &[body]);
    let mut numbers = Numbers::new(u64::from(seed));
    assert_eq!(tell(strict().unwrap(), &numbers.pieces(body)), told);
    let lenient = tell(Parser::new(boundary.unwrap(), limits.clone()).nested(nested), &[body]);
    let at = told.iter().zip(&lenient).take_while(|(a, b)| a == b).count();
    let (mut depth, mut refused) = (0, None);
    for told in &lenient[..lenient.len().min(at + 1)] {
        refused = match told {
            Told::Enter(fields) | Told::Part(fields) => defect(fields, depth == 0),
            _ => None,
        };
        match told {
            Told::Enter(_) => depth += 1,
            Told::Leave => depth -= 1,
            _ => {}
        }
        if refused.is_some() {
            break;
        }
    }
    match (refused, &told[at..]) {
        (None, []) => assert_eq!(told.len(), lenient.len()),
        (Some(defect), [Told::Fault(kind, ..)]) => assert_eq!(*kind, defect),
        // What was wrong was told before the limit of depth was met, which lenient reading met at the same part.
        (None, [Told::Fault(kind, ..)]) => {
            assert!(
                matches!(lenient[at..], [Told::Fault(ErrorKind::Limit { which: Limit::Depth, .. }, ..)]),
                "{kind:?}"
            );
        }
        (refused, rest) => panic!("{refused:?} is wrong, told is {rest:?}"),
    }
}

/// What a form's part may not be, read off its fields in the order of the strict layer's words.
fn defect(fields: &Fields, outermost: bool) -> Option<ErrorKind> {
    let values = |name: &[u8]| -> Vec<&[u8]> {
        fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..]).collect()
    };
    if outermost {
        let Some(value) = values(b"content-disposition").pop() else { return Some(ErrorKind::MissingDisposition) };
        let value = Disposition::parse(value).unwrap();
        if !value.is_form_data() {
            return Some(ErrorKind::NotFormData);
        }
        if value.name().is_none() {
            return Some(ErrorKind::MissingName);
        }
    }
    let types = values(b"content-type");
    if types.len() > 1 {
        return Some(ErrorKind::MalformedHeader("two Content-Types"));
    }
    let encodings = values(b"content-transfer-encoding");
    if encodings.len() > 1 {
        return Some(ErrorKind::MalformedHeader("two Content-Transfer-Encodings"));
    }
    if let [encoding] = encodings[..] {
        let known = [&b"7bit"[..], b"8bit", b"binary", b"base64", b"quoted-printable"];
        if !known.iter().any(|known| known.eq_ignore_ascii_case(encoding)) {
            return Some(ErrorKind::UnknownEncoding);
        }
    }
    let value = ContentType::parse(types.first()?).filter(ContentType::is_multipart)?;
    value.boundary().err().map(|error| error.kind())
}
