//! Target: the strict layer refuses, and tells nothing else than the lenient one does.

use multipart_form::{Boundary, ErrorKind, Limits, Parser};

use crate::events::{Told, tell};
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
    match told.last() {
        Some(Told::Fault(
            kind @ (ErrorKind::MissingDisposition
            | ErrorKind::MissingName
            | ErrorKind::NotFormData
            | ErrorKind::NoBoundary
            | ErrorKind::BadBoundary
            | ErrorKind::UnknownEncoding
            | ErrorKind::MalformedHeader("two Content-Types" | "two Content-Transfer-Encodings")),
            ..,
        )) => assert!(lenient.starts_with(&told[..told.len() - 1]), "{kind:?}"),
        _ => {
            assert_eq!(told, lenient);
            named(&told);
        }
    }
}

/// Every part of the outermost multipart that is told of has a disposition.
fn named(told: &[Told]) {
    let mut depth = 0;
    for told in told {
        match told {
            Told::Enter(fields) | Told::Part(fields) if depth == 0 => {
                assert!(fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"content-disposition")));
            }
            _ => {}
        }
        match told {
            Told::Enter(_) => depth += 1,
            Told::Leave => depth -= 1,
            _ => {}
        }
    }
}
