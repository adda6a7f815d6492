//! Limits and ways out: what binds what, and what an error says of it, however the form is cut.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

#[path = "fuzz/events.rs"]
mod events;

use events::{Told, tell};
use multipart_form::{Boundary, Error, ErrorKind, Event, Limit, Limits, Overflow, Parser, Unlisted};

/// Field `a`; `files`, a multipart of a part without a name, one named `b`, and a multipart of one more; field `z`.
const FORM: &[u8] = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nhello\r\n\
--x\r\nContent-Disposition: form-data; name=files\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n\
--y\r\n\r\nfirst\r\n\
--y\r\nContent-Disposition: form-data; name=b\r\n\r\nsecond\r\n\
--y\r\nContent-Type: multipart/mixed; boundary=w\r\n\r\n--w\r\n\r\nthird\r\n--w--\r\n\
--y--\r\n\
--x\r\nContent-Disposition: form-data; name=z\r\n\r\nlast\r\n--x--\r\n";

fn parser(limits: &Limits) -> Parser {
    Parser::new(Boundary::new("x").unwrap(), limits.clone()).nested(true)
}

/// What is told, the same for every cut in two and byte by byte.
fn told(form: &[u8], limits: &Limits) -> Vec<Told> {
    let whole = tell(parser(limits), &[form]);
    for at in 0..form.len() {
        assert_eq!(tell(parser(limits), &[&form[..at], &form[at..]]), whole, "cut at {at}");
    }
    let bytes: Vec<&[u8]> = form.chunks(1).collect();
    assert_eq!(tell(parser(limits), &bytes), whole);
    whole
}

fn fault(form: &[u8], limits: &Limits) -> (ErrorKind, u64, Option<String>) {
    match told(form, limits).pop() {
        Some(Told::Fault(kind, offset, field)) => (kind, offset.unwrap(), field),
        other => panic!("{other:?}"),
    }
}

fn bodies(told: &[Told]) -> Vec<String> {
    told.iter()
        .filter_map(
            |told| if let Told::Body(bytes) = told { Some(String::from_utf8_lossy(bytes).into()) } else { None },
        )
        .collect()
}

/// Where a text begins in the form.
fn at(text: &str) -> u64 {
    FORM.windows(text.len()).position(|window| window == text.as_bytes()).unwrap() as u64
}

fn limit(which: Limit, value: u64) -> ErrorKind {
    ErrorKind::Limit { which, value }
}

#[test]
fn every_limit_says_which_where_and_of_what() {
    let default = Limits::default;
    let long =
        [b"--x\r\nContent-Disposition: form-data; name=abc; filename=\"name.txt\"\r\n\r\n".as_slice(), &FORM[48..]]
            .concat();
    let preamble = [b"four\r\n", FORM].concat();
    let (files, size) = (at("--y"), at("\r\n--x\r\nContent-Disposition: form-data; name=z") - at("--y"));
    for (form, limits, which, value, offset, field) in [
        (FORM, default().parts(1), Limit::Parts, 1, at("Content-Disposition: form-data; name=files"), None),
        (FORM, default().headers(1), Limit::Headers, 1, at("\r\n\r\n--y"), None),
        (FORM, default().header_bytes(40), Limit::HeaderBytes, 40, 5 + 40, None),
        (FORM, default().part_bytes(4), Limit::PartBytes, 4, at("hello") + 4, Some("a")),
        (FORM, default().field("z", 3), Limit::PartBytes, 3, at("last") + 3, Some("z")),
        (FORM, default().field("b", 5), Limit::PartBytes, 5, at("second") + 5, Some("b")),
        // All that is inside a field is of its body.
        (FORM, default().field("files", 0), Limit::PartBytes, 0, files, Some("files")),
        (FORM, default().field("files", 6), Limit::PartBytes, 6, files + 6, Some("files")),
        (FORM, default().field("files", 20), Limit::PartBytes, 20, files + 20, Some("files")),
        (FORM, default().field("files", size - 1), Limit::PartBytes, size - 1, files + size - 1, Some("files")),
        (FORM, default().part_bytes(size - 1), Limit::PartBytes, size - 1, files + size - 1, Some("files")),
        (FORM, default().body_bytes(50), Limit::BodyBytes, 50, 50, Some("a")),
        (FORM, default().depth(2), Limit::Depth, 2, at("Content-Type: multipart/mixed; boundary=w"), Some("files")),
        // Between parts and in their headers it is the field around them.
        (FORM, default().parts(2), Limit::Parts, 2, at("\r\nfirst"), Some("files")),
        (FORM, default().parts(6), Limit::Parts, 6, at("Content-Disposition: form-data; name=z"), None),
        (
            FORM,
            default().body_bytes(at("--y--") + 2),
            Limit::BodyBytes,
            at("--y--") + 2,
            at("--y--") + 2,
            Some("files"),
        ),
        (FORM, default().body_bytes(at("name=b")), Limit::BodyBytes, at("name=b"), at("name=b"), Some("files")),
        (FORM, default().depth(1), Limit::Depth, 1, at("Content-Disposition: form-data; name=files"), Some("files")),
        (&preamble, default().preamble_bytes(3), Limit::PreambleBytes, 3, 3, None),
        (&long, default().name_bytes(2), Limit::NameBytes, 2, 5, Some("abc")),
        (&long, default().filename_bytes(7), Limit::FilenameBytes, 7, 5, Some("abc")),
    ] {
        let (kind, is, of) = fault(form, &limits);
        assert_eq!((kind, is, of.as_deref()), (limit(which, value), offset, field), "{limits:?}");
    }
}

#[test]
fn a_limit_is_met_only_behind_it() {
    let limits = Limits::default()
        .parts(7)
        .headers(2)
        .part_bytes(16)
        .field("a", 5)
        .field("files", at("\r\n--x\r\nContent-Disposition: form-data; name=z") - at("--y"))
        .field("b", 6)
        .body_bytes(FORM.len() as u64)
        .depth(3)
        .name_bytes(5);
    assert_eq!(bodies(&told(FORM, &limits)), ["hello", "first", "second", "third", "last"]);
    let preamble = [b"four\r\n", FORM].concat();
    assert_eq!(told(&preamble, &Limits::default().preamble_bytes(4)).last(), Some(&Told::Done));
}

/// Read as a multipart or not, a part's limit is met at the same byte, be it in a preamble, a header, a body or an epilogue.
#[test]
fn a_multipart_is_no_way_around_a_limit() {
    let begin = b"--x\r\nContent-Disposition: form-data; name=n\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n";
    let inner = [
        [&[b'.'; 90][..], b"\r\n--y\r\n\r\nhi\r\n--y--"].concat(),
        [b"--y\r\nA: ".as_slice(), &[b'.'; 90], b"\r\n\r\nhi\r\n--y--"].concat(),
        [b"--y\r\n\r\nhi\r\n--y--".as_slice(), &[b'.'; 90]].concat(),
        b"--y\r\n\r\nhi\r\n--y\r\nContent-Type: multipart/mixed; boundary=w\r\n\r\n--w--\r\n\r\n\r\n--w-\r\n--y--"
            .to_vec(),
    ];
    for inner in inner {
        let form = [begin, &inner[..], b"\r\n--x--"].concat();
        for most in 0..inner.len() as u64 {
            let expected = (limit(Limit::PartBytes, most), begin.len() as u64 + most, Some("n".to_owned()));
            assert_eq!(fault(&form, &Limits::default().part_bytes(most)), expected);
            assert_eq!(fault(&form, &Limits::default().field("n", most)), expected);
        }
        assert_eq!(told(&form, &Limits::default().part_bytes(inner.len() as u64)).last(), Some(&Told::Done));
    }
}

#[test]
fn what_is_cut_off_is_counted() {
    let limits = Limits::default().part_bytes(4).field("files", 8).overflow(Overflow::Truncate);
    let told = told(FORM, &limits);
    assert_eq!(bodies(&told), ["hell", "first", "sec", "last"]);
    let dropped: Vec<u64> = told.iter().filter_map(|t| if let Told::End(n) = t { Some(*n) } else { None }).collect();
    assert_eq!(dropped, [1, 0, 3, 5, 0]);
}

#[test]
fn a_list_of_fields_binds_what_is_inside_others() {
    let skip = |names: &[&str]| Limits::default().allow(names.iter().copied(), Unlisted::Skip);
    assert_eq!(bodies(&told(FORM, &skip(&["a", "files", "b", "z"]))), ["hello", "first", "second", "third", "last"]);
    assert_eq!(bodies(&told(FORM, &skip(&["a", "files", "z"]))), ["hello", "first", "third", "last"]);
    assert_eq!(bodies(&told(FORM, &skip(&["a", "b"]))), ["hello"]);
    assert!(bodies(&told(FORM, &skip(&[]))).is_empty());
    let refuse = |names: &[&str]| Limits::default().allow(names.iter().copied(), Unlisted::Refuse);
    let refused = fault(FORM, &refuse(&["a", "files", "z"]));
    let second = at("Content-Disposition: form-data; name=b");
    assert_eq!(refused, (ErrorKind::UnknownField, second, Some("b".into())));
    assert_eq!(fault(b"--x\r\n\r\n\r\n--x--", &refuse(&["a"])).0, ErrorKind::UnknownField);
}

/// The parser's events, with `act` called behind each.
fn run(mut act: impl FnMut(&mut Parser, &str), cut: usize) -> Result<Vec<String>, Error> {
    let (mut parser, mut told) = (parser(&Limits::default()), Vec::<String>::new());
    for mut input in FORM.chunks(cut) {
        while let Some(event) = parser.next(&mut input)? {
            let text = match event {
                Event::Part(head) => format!("part {}", head.name().unwrap_or_default()),
                Event::Enter(head) => format!("enter {}", head.name().unwrap_or_default()),
                Event::Data(_) => "data".into(),
                Event::End => "end".into(),
                Event::Leave => "leave".into(),
                Event::Done => "done".into(),
                _ => panic!("an event without a name"),
            };
            act(&mut parser, &text);
            if text != "data" || told.last() != Some(&text) {
                told.push(text);
            }
        }
    }
    parser.close()?;
    Ok(told)
}

#[test]
fn a_part_or_a_multipart_is_skipped() {
    for cut in [1, 2, 7, 4096] {
        let act = |parser: &mut Parser, event: &str| {
            if ["enter files", "part z"].contains(&event) {
                parser.skip()
            }
        };
        let told = run(act, cut).unwrap();
        assert_eq!(told, ["part a", "data", "end", "enter files", "leave", "part z", "end", "done"]);
        // A skip between parts is of no part.
        let act = |parser: &mut Parser, event: &str| {
            if ["end", "leave"].contains(&event) {
                parser.skip()
            }
        };
        assert_eq!(run(act, cut).unwrap(), run(|_, _| (), cut).unwrap());
    }
}

#[test]
fn the_rest_is_drained() {
    let all = run(|_, _| (), 4096).unwrap();
    for cut in [1, 2, 7, 4096] {
        for (at, last) in all.iter().enumerate().filter(|(_, event)| *event != "data") {
            let mut seen = 0;
            let told = run(
                |parser, event| {
                    seen += usize::from(event != "data");
                    if seen == all[..=at].iter().filter(|event| *event != "data").count() {
                        parser.drain();
                    }
                },
                cut,
            );
            let mut expected = all[..=at].to_vec();
            if last != "done" {
                expected.push("done".into());
            }
            assert_eq!(told.unwrap(), expected, "behind {last}");
        }
    }
}

#[test]
fn depth_has_an_end_of_its_own() {
    let mut form = Vec::new();
    let mut outer = "x".to_owned();
    for depth in 0..70 {
        let inner = format!("y{depth}y");
        form.extend_from_slice(
            format!("--{outer}\r\nContent-Type: multipart/mixed; boundary={inner}\r\n\r\n").as_bytes(),
        );
        outer = inner;
    }
    let limits = Limits::default().depth(u64::MAX);
    let mut parser = parser(&limits);
    let mut input = &form[..];
    let error = loop {
        match parser.next(&mut input) {
            Ok(event) => assert!(matches!(event, Some(Event::Enter(_)))),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), limit(Limit::Depth, Limits::MAX_DEPTH));
}

#[test]
fn a_strict_part_has_one_type_and_one_encoding() {
    let lines = [
        ("Content-Type: text/plain\r\ncontent-type: text/html\r\n", "two Content-Types"),
        ("Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n", "two Content-Transfer-Encodings"),
    ];
    for (fields, how) in lines {
        let form = format!("--x\r\nContent-Disposition: form-data; name=a\r\n{fields}\r\n1\r\n--x--");
        let strict = Parser::strict(b"multipart/form-data; boundary=x", Limits::default()).unwrap();
        let told = tell(strict, &[form.as_bytes()]);
        assert_eq!(told, [Told::Fault(ErrorKind::MalformedHeader(how), Some(5), Some("a".into()))]);
        assert_eq!(tell(parser(&Limits::default()), &[form.as_bytes()]).len(), 4, "what MIME allows");
    }
}
