//! Every adapter tells of every case what the core tells.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

#[path = "fuzz/events.rs"]
mod events;

use std::convert::Infallible;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::Path;

use bytes::Bytes;
use events::{Told, fields, tell};
use futures_util::{FutureExt, Stream, StreamExt, stream};
use multipart_form::{
    Body, Boundary, Error, ErrorKind, Form, FormField, Limits, Node, Parser, Piece, Pieces, ReadError, ReadField,
    ReadForm,
};

struct Case {
    name: String,
    boundary: Boundary,
    body: Vec<u8>,
}

impl Case {
    fn parser(&self) -> Parser {
        Parser::new(self.boundary.clone(), Limits::default()).nested(true)
    }

    fn chunks(&self, size: usize) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
        let chunks: Vec<_> = self.body.chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        stream::iter(chunks)
    }

    fn told(&self) -> Vec<Told> {
        tell(self.parser(), &[&self.body])
    }
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let case = |path: &Path| {
        let boundary = Boundary::from_content_type(&fs::read(path.join("content-type.txt")).unwrap()).ok()?;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Some(Case { name, boundary, body: fs::read(path.join("input.bin")).unwrap() })
    };
    let cases: Vec<_> = fs::read_dir(folder).unwrap().filter_map(|entry| case(&entry.unwrap().path())).collect();
    assert!(cases.len() > 100);
    cases
}

fn fault(error: &Error) -> Told {
    Told::Fault(error.kind(), error.offset(), error.field().map(String::from))
}

fn form_fault(error: ReadError<io::Error>) -> Told {
    match error {
        ReadError::Form(error) => fault(&error),
        other => panic!("{other}"),
    }
}

/// The events of a tree, or of the fault that there is instead.
fn walk(tree: Result<Vec<Node<Vec<u8>>>, ReadError<io::Error>>) -> Vec<Told> {
    fn walk_parts(parts: Vec<Node<Vec<u8>>>, told: &mut Vec<Told>) {
        for Node { head, body } in parts {
            let fields = fields(&head.as_head());
            match body {
                Body::Leaf(bytes) => {
                    told.push(Told::Part(fields));
                    if !bytes.is_empty() {
                        told.push(Told::Body(bytes));
                    }
                    told.push(Told::End(0));
                }
                Body::Parts(inner) => {
                    told.push(Told::Enter(fields));
                    walk_parts(inner, told);
                    told.push(Told::Leave);
                }
            }
        }
    }
    match tree {
        Ok(tree) => {
            let mut told = Vec::new();
            walk_parts(tree, &mut told);
            told.push(Told::Done);
            told
        }
        Err(error) => vec![form_fault(error)],
    }
}

/// A tree has nothing of a form that is at fault.
fn in_tree(told: Vec<Told>) -> Vec<Told> {
    match told.last() {
        Some(fault @ Told::Fault(..)) => vec![fault.clone()],
        _ => told,
    }
}

async fn flat(form: Form<impl Pieces<Error = io::Error>>) -> Vec<Told> {
    let mut told = Vec::new();
    let mut pieces = form.into_stream();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(Piece::Part(head)) => told.push(Told::Part(fields(&head.as_head()))),
            Ok(Piece::Enter(head)) => told.push(Told::Enter(fields(&head.as_head()))),
            Ok(Piece::Leave) => told.push(Told::Leave),
            Ok(Piece::End { dropped }) => told.push(Told::End(dropped)),
            Ok(Piece::Data(bytes)) => match told.last_mut() {
                Some(Told::Body(body)) => body.extend_from_slice(&bytes),
                _ => told.push(Told::Body(bytes.to_vec())),
            },
            Ok(_) => panic!("a piece without a name"),
            Err(error) => {
                told.push(form_fault(error));
                return told;
            }
        }
    }
    // A form may be complete and its epilogue unread.
    told.push(Told::Done);
    told
}

#[test]
fn read_tells_the_same() {
    for case in cases() {
        let expected = in_tree(case.told());
        for size in [1, 3, 64, 64 << 10] {
            let read = |mut field: ReadField<'_, Cursor<&Vec<u8>>>| {
                let mut all = Vec::new();
                field.read_to_end(&mut all).map(|_| all).map_err(|error| match error.downcast::<Error>() {
                    Ok(error) => ReadError::Form(error),
                    Err(error) => ReadError::Source(error),
                })
            };
            let form = ReadForm::with_buffer(Cursor::new(&case.body), case.parser(), size);
            assert_eq!(walk(form.tree(read)), expected, "{} by {size}", case.name);
            let form = ReadForm::with_buffer(Cursor::new(&case.body), case.parser(), size);
            assert_eq!(walk(form.tree(|field| field.bytes(usize::MAX))), expected, "{} by {size}", case.name);
        }
    }
}

#[tokio::test]
async fn streams_tell_the_same() {
    for case in cases() {
        let expected = case.told();
        for size in [1, 7, 4096] {
            let form = Form::from_stream(case.chunks(size), case.parser());
            assert_eq!(flat(form).await, expected, "{} by {size}", case.name);
            let form = Form::from_stream(case.chunks(size), case.parser());
            let tree = form.tree(async |field: FormField<'_, _>| field.bytes(usize::MAX).await).await;
            assert_eq!(walk(tree), in_tree(expected.clone()), "{} by {size}", case.name);
            let form = Form::from_body(
                http_body_util::StreamBody::new(case.chunks(size).map(|chunk| chunk.map(http_body::Frame::data))),
                case.parser(),
            );
            assert_eq!(flat(form).await, expected, "{} by {size}", case.name);
        }
    }
}

#[tokio::test]
async fn readers_tell_the_same() {
    for case in cases() {
        let expected = case.told();
        let form = Form::from_tokio_read(&case.body[..], case.parser());
        assert_eq!(flat(form).await, expected, "{}", case.name);
        let form = Form::from_futures_read(&case.body[..], case.parser());
        assert_eq!(flat(form).await, expected, "{}", case.name);
    }
}

#[tokio::test]
async fn queues_tell_the_same() {
    for case in cases() {
        let expected = case.told();
        for limit in [1, 1000, 1 << 20] {
            let (form, pump) = Form::from_stream(case.chunks(5), case.parser()).queued(limit);
            let pump = tokio::spawn(pump);
            assert_eq!(flat(form).await, expected, "{} with {limit}", case.name);
            pump.await.unwrap();
        }
    }
}

#[tokio::test]
async fn owned_fields_tell_the_same() {
    for case in cases() {
        let mut expected = Vec::new();
        for told in case.told() {
            match told {
                Told::Part(fields) => expected.push((fields, Vec::new())),
                Told::Body(bytes) => expected.last_mut().unwrap().1 = bytes,
                _ => {}
            }
        }
        let ok = matches!(case.told().last(), Some(Told::Done));
        let mut form = Form::from_stream(case.chunks(3), case.parser()).into_owned();
        let mut read = Vec::new();
        let outcome = loop {
            match form.next_field().await {
                Ok(Some(mut field)) => {
                    // Another task may read it.
                    let (field, body) = tokio::spawn(async move {
                        let mut body = Vec::new();
                        while let Some(Ok(bytes)) = field.next().await {
                            body.extend_from_slice(&bytes);
                        }
                        (field, body)
                    })
                    .await
                    .unwrap();
                    read.push((fields(&field.head()), body));
                }
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        assert_eq!(outcome, ok, "{}", case.name);
        assert_eq!(read, expected, "{}", case.name);
    }
}

#[tokio::test]
async fn a_tree_is_made_in_a_task() {
    let body = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nhello\r\n--x--\r\n";
    let parser = Parser::strict(b"multipart/form-data; boundary=x", Limits::default()).unwrap();
    let form = Form::from_stream(stream::iter([Ok::<_, io::Error>(Bytes::from(body))]), parser);
    let task = tokio::spawn(async move { form.tree(async |field: FormField<'_, _>| field.text(10).await).await });
    let tree = task.await.unwrap().unwrap();
    let leaves: Vec<_> =
        Node::leaves(&tree).map(|(head, text)| (head.name().unwrap().into_owned(), text.clone())).collect();
    assert_eq!(leaves, [("a".to_owned(), "hello".to_owned())]);
}

#[tokio::test]
async fn collecting_has_a_limit() {
    let body = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nhello\r\n--x--\r\n";
    let parser = || Parser::strict(b"multipart/form-data; boundary=x", Limits::default()).unwrap();
    let mut form = Form::from_tokio_read(body.as_bytes(), parser());
    let error = form.next_field().await.unwrap().unwrap().text(4).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "a field has too many bytes to be held in memory (limit 4), in field \"a\", at byte 51"
    );
    // The form goes on behind it.
    assert!(form.next_field().await.unwrap().is_none());
    let mut form = ReadForm::new(body.as_bytes(), parser());
    let error = form.next_field().unwrap().unwrap().text(4).unwrap_err();
    assert!(matches!(error, ReadError::Form(error) if matches!(error.kind(), ErrorKind::Limit { value: 4, .. })));
    assert!(form.next_field().unwrap().is_none());
}

/// Parts that are cut at their limit, the second inside another.
const CUT: &str = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nhello\r\n--x\r\nContent-Disposition: form-data; name=n\r\n\
    Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\nmore\r\n--y\r\n\r\nfour\r\n--y--\r\n--x\r\n\
    Content-Disposition: form-data; name=z\r\n\r\nok\r\n--x--\r\n";

fn cutting() -> Parser {
    let limits = Limits::default().part_bytes(3).field("n", 6).overflow(multipart_form::Overflow::Truncate);
    Parser::strict(b"multipart/form-data; boundary=x", limits).unwrap().nested(true)
}

type Cut = (String, usize, String, u64);

fn cut() -> Vec<Cut> {
    let row = |name: &str, depth, text: &str, dropped| (name.to_owned(), depth, text.to_owned(), dropped);
    vec![row("a", 0, "hel", 2), row("", 1, "more", 0), row("", 1, "fo", 2), row("z", 0, "ok", 0)]
}

#[tokio::test]
async fn what_was_dropped_is_told_by_every_adapter() {
    let name = |head: multipart_form::Head<'_>| head.name().unwrap_or_default().into_owned();
    let chunk = || stream::iter(CUT.as_bytes().chunks(2).map(|chunk| Ok::<_, io::Error>(Bytes::from_static(chunk))));
    let (mut by_read, mut form) = (Vec::new(), ReadForm::with_buffer(CUT.as_bytes(), cutting(), 2));
    while let Some(mut field) = form.next_field().unwrap() {
        let mut text = String::new();
        field.read_to_string(&mut text).unwrap();
        by_read.push((name(field.head()), field.depth(), text, field.dropped()));
    }
    assert_eq!(by_read, cut());
    let (mut by_owned, mut form) = (Vec::new(), Form::from_stream(chunk(), cutting()).into_owned());
    while let Some(mut field) = form.next_field().await.unwrap() {
        let mut text = Vec::new();
        while let Some(bytes) = field.chunk().await.unwrap() {
            text.extend_from_slice(&bytes);
        }
        by_owned.push((name(field.head()), field.depth(), String::from_utf8(text).unwrap(), field.dropped()));
    }
    assert_eq!(by_owned, cut());
    let (form, pump) = Form::from_stream(chunk(), cutting()).queued(100);
    let pump = tokio::spawn(pump);
    assert_eq!(borrowed(form).await, cut());
    pump.await.unwrap();
    assert_eq!(borrowed(Form::from_stream(chunk(), cutting())).await, cut());
    let told: Vec<_> = flat(Form::from_stream(chunk(), cutting())).await;
    let dropped: Vec<u64> =
        told.iter().filter_map(|told| if let Told::End(dropped) = told { Some(*dropped) } else { None }).collect();
    assert_eq!(dropped, [2, 0, 2, 0]);
}

async fn borrowed(mut form: Form<impl Pieces<Error = io::Error>>) -> Vec<Cut> {
    let mut read = Vec::new();
    while let Some(field) = form.next_field().await.unwrap() {
        let (name, depth) = (field.head().name().unwrap_or_default().into_owned(), field.depth());
        let text = field.text(100).await.unwrap();
        read.push((name, depth, text, form.dropped()));
    }
    read
}

#[tokio::test]
async fn a_form_that_is_not_wanted_is_drained() {
    let rest = [CUT, "next request"].concat();
    let chunks = || {
        let chunks: Vec<_> =
            rest.as_bytes().chunks(9).map(|chunk| Ok::<_, io::Error>(Bytes::copy_from_slice(chunk))).collect();
        stream::iter(chunks)
    };
    // Limits that it would break are those of parts.
    let parser = || {
        let limits = Limits::default().part_bytes(4);
        Parser::strict(b"multipart/form-data; boundary=x", limits).unwrap().nested(true)
    };
    let mut form = ReadForm::with_buffer(rest.as_bytes(), parser(), 9);
    assert!(form.next_field().unwrap().is_some());
    form.drain().unwrap();
    assert!(form.next_field().unwrap().is_none());
    let (left, read) = form.into_parts();
    assert!([&read[..], left].concat().ends_with(b"next request"));
    let mut form = Form::from_stream(chunks(), parser());
    assert!(form.next_field().await.unwrap().is_some());
    form.drain().await.unwrap();
    assert!(form.next_field().await.unwrap().is_none());
    let (mut form, pump) = Form::from_stream(chunks(), parser()).queued(100);
    let pump = tokio::spawn(pump);
    assert!(form.next_field().await.unwrap().is_some());
    form.drain().await.unwrap();
    assert!(form.next_field().await.unwrap().is_none());
    pump.await.unwrap();
    let mut form = Form::from_stream(chunks(), parser()).into_owned();
    let field = form.next_field().await.unwrap().unwrap();
    assert!(form.drain().now_or_never().is_none(), "a field is out");
    drop(field);
    form.drain().await.unwrap();
    assert!(form.next_field().await.unwrap().is_none());
}

#[tokio::test]
async fn errors_stay() {
    let unexpected = |error: ReadError<io::Error>| matches!(error, ReadError::Form(error) if error.kind() == ErrorKind::UnexpectedEof);
    let broken = || {
        let head = Bytes::from_static(&CUT.as_bytes()[..60]);
        stream::iter([Ok(head), Err(io::Error::other("gone")), Ok(Bytes::from_static(b"never read"))])
    };
    let mut form = Form::from_stream(broken(), cutting());
    form.next_field().await.unwrap().unwrap();
    assert!(matches!(form.next_field().await.unwrap_err(), ReadError::Source(_)));
    for _ in 0..2 {
        assert!(unexpected(form.next_field().await.unwrap_err()));
    }
    let (mut form, pump) = Form::from_stream(broken(), cutting()).queued(100);
    let pump = tokio::spawn(pump);
    form.next_field().await.unwrap().unwrap();
    assert!(matches!(form.next_field().await.unwrap_err(), ReadError::Source(_)));
    for _ in 0..2 {
        assert!(unexpected(form.next_field().await.unwrap_err()));
    }
    pump.await.unwrap();
    #[derive(Debug)]
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            assert!(!std::mem::replace(&mut self.0, true), "it is not asked again");
            Err(io::Error::other("gone"))
        }
    }
    let mut form = ReadForm::new(Read::chain(&CUT.as_bytes()[..60], Broken(false)), cutting());
    form.next_field().unwrap().unwrap();
    assert!(matches!(form.next_field().unwrap_err(), ReadError::Source(_)));
    for _ in 0..2 {
        assert!(unexpected(form.next_field().unwrap_err()));
    }
    // A form's own comes again as it was, through a queue too.
    let bad = || stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"--x\r\nno colon\r\n"))]);
    let (mut form, pump) = Form::from_stream(bad(), cutting()).queued(100);
    let pump = tokio::spawn(pump);
    let told = form.next_field().await.unwrap_err().to_string();
    assert_eq!(form.next_field().await.unwrap_err().to_string(), told);
    pump.await.unwrap();
}

/// The form's charset is heeded however its field was read, in every adapter.
#[tokio::test]
async fn a_charset_is_heeded_however_it_was_read() {
    let form = b"--x\r\nContent-Disposition: form-data; name=_charset_\r\n\r\niso-8859-1\r\n\
        --x\r\nContent-Disposition: form-data; name=m\r\n\r\n\xe4\r\n--x--";
    let parser = || Parser::new(Boundary::new("x").unwrap(), Limits::default());
    let chunks = || stream::iter(form.chunks(7).map(|c| Ok::<_, Infallible>(Bytes::copy_from_slice(c))));
    for as_text in [true, false] {
        let mut by_reader = ReadForm::new(&form[..], parser());
        let field = by_reader.next_field().unwrap().unwrap();
        if as_text {
            assert_eq!(field.text(20).unwrap(), "iso-8859-1")
        } else {
            assert_eq!(field.bytes(20).unwrap().len(), 10)
        }
        assert_eq!(by_reader.next_field().unwrap().unwrap().text(20).unwrap(), "ä");
        let mut by_stream = Form::from_stream(chunks(), parser());
        let field = by_stream.next_field().await.unwrap().unwrap();
        if as_text {
            drop(field.text(20).await.unwrap())
        } else {
            drop(field.bytes(20).await.unwrap())
        }
        assert_eq!(by_stream.next_field().await.unwrap().unwrap().text(20).await.unwrap(), "ä");
        let mut owned = Form::from_stream(chunks(), parser()).into_owned();
        let field = owned.next_field().await.unwrap().unwrap();
        if as_text {
            drop(field.text(20).await.unwrap())
        } else {
            drop(field.bytes(20).await.unwrap())
        }
        assert_eq!(owned.next_field().await.unwrap().unwrap().text(20).await.unwrap(), "ä");
        assert!(owned.next_field().await.unwrap().is_none());
    }
    let mut owned = Form::from_stream(chunks(), parser()).into_owned();
    match owned.next_field().await.unwrap().unwrap().text(9).await {
        Err(ReadError::Form(error)) => assert_eq!(error.field(), Some("_charset_")),
        other => panic!("{other:?}"),
    }
    assert_eq!(owned.next_field().await.unwrap().unwrap().bytes(1).await.unwrap(), b"\xe4", "the form goes on");
}

#[tokio::test]
async fn a_flat_form_skips_and_drains() {
    let form = [b"--x\r\n\r\n".as_slice(), &[b'.'; 100], b"\r\n--x\r\n\r\nlast\r\n--x--"].concat();
    for drain in [false, true] {
        let chunks = stream::iter(form.chunks(9).map(|c| Ok::<_, Infallible>(Bytes::copy_from_slice(c))));
        let limits = Limits::default().part_bytes(50);
        let mut flat = Form::from_stream(chunks, Parser::new(Boundary::new("x").unwrap(), limits)).into_stream();
        let (mut parts, mut text) = (0, Vec::new());
        while let Some(piece) = flat.next().await {
            match piece.unwrap() {
                Piece::Part(_) if drain => flat.drain(),
                Piece::Part(_) if parts == 0 => {
                    parts += 1;
                    flat.skip_part();
                }
                Piece::Data(bytes) => text.extend_from_slice(&bytes),
                _ => {}
            }
        }
        assert_eq!(text, if drain { &b""[..] } else { b"last" });
    }
}
