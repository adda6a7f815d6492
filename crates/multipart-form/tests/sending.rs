//! Forms that are put together are sent in every way, at the length that was promised, and read back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

use std::io::{self, Read};
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::BodyExt;
use multipart_form::{Body, Boundary, Error, ErrorKind, FormBuilder, Limits, Node, Parser, PartHead, ReadForm};

fn boundary(text: &str) -> Boundary {
    Boundary::new(text).unwrap()
}

/// A form with a multipart inside; `known` says whether the bodies' lengths are told.
fn form<B>(body: impl Fn(&'static [u8]) -> B, known: bool) -> FormBuilder<B> {
    let len = |bytes: &[u8]| known.then_some(bytes.len() as u64);
    let mut form = FormBuilder::new(boundary("out")).unwrap();
    form.part(&PartHead::new("a"), body(b"hello"), len(b"hello")).unwrap();
    form.enter(&PartHead::new("n").multipart("mixed", &boundary("in")).unwrap(), boundary("in")).unwrap();
    form.part(&PartHead::bare().filename("x.bin"), body(b"\r\n--x"), len(b"\r\n--x")).unwrap();
    form.part(&PartHead::bare(), body(b""), len(b"")).unwrap();
    form.leave().unwrap();
    form.part(&PartHead::new("z"), body(b""), len(b"")).unwrap();
    form
}

fn check(sent: &[u8]) {
    let parser = Parser::strict(b"multipart/form-data; boundary=out", Limits::default()).unwrap().nested(true);
    let tree = ReadForm::new(sent, parser).tree(|field| field.bytes(100)).unwrap();
    let leaves: Vec<_> = Node::leaves(&tree).map(|(_, body)| body.as_slice()).collect();
    assert_eq!(leaves, [&b"hello"[..], b"\r\n--x", b"", b""]);
    assert!(matches!(&tree[1].body, Body::Parts(parts) if parts.len() == 2));
}

type Chunks = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

fn chunks(bytes: &'static [u8]) -> Chunks {
    Box::pin(stream::iter(bytes.chunks(3).map(|chunk| Ok(Bytes::from_static(chunk)))))
}

#[test]
fn by_read() {
    for known in [false, true] {
        let form = form(|bytes| bytes, known);
        let len = form.len();
        assert_eq!(form.content_type(), "multipart/form-data; boundary=out");
        let mut sent = Vec::new();
        form.into_reader().unwrap().read_to_end(&mut sent).unwrap();
        assert_eq!(len, known.then_some(sent.len() as u64));
        check(&sent);
    }
}

#[tokio::test]
async fn by_stream_body_and_async_read() {
    for known in [false, true] {
        let len = form(chunks, known).len();
        let sent: Vec<Bytes> = form(chunks, known).into_stream().unwrap().map(Result::unwrap).collect().await;
        assert_eq!(len, known.then_some(sent.concat().len() as u64));
        check(&sent.concat());
        let body = form(chunks, known).into_stream().unwrap();
        assert_eq!(http_body::Body::size_hint(&body).exact(), len);
        check(&BodyExt::collect(body).await.unwrap().to_bytes());
        let (mut by_tokio, mut by_futures) = (Vec::new(), Vec::new());
        let mut source = form(chunks, known).into_stream().unwrap();
        tokio::io::AsyncReadExt::read_to_end(&mut source, &mut by_tokio).await.unwrap();
        check(&by_tokio);
        let mut source = form(chunks, known).into_stream().unwrap();
        futures_util::AsyncReadExt::read_to_end(&mut source, &mut by_futures).await.unwrap();
        assert_eq!(by_futures, by_tokio);
    }
}

#[tokio::test]
async fn a_body_of_another_length_fails_the_form() {
    for said in [4, 6] {
        let mut form = FormBuilder::new(boundary("x")).unwrap();
        form.part(&PartHead::new("a"), &b"hello"[..], Some(said)).unwrap();
        let error = form.into_reader().unwrap().read_to_end(&mut Vec::new()).unwrap_err();
        let error = error.downcast::<Error>().unwrap();
        assert!(matches!(error.kind(), ErrorKind::Misuse(_)), "{error}");
        let mut form = FormBuilder::new(boundary("x")).unwrap();
        form.part(&PartHead::new("a"), chunks(b"hello"), Some(said)).unwrap();
        let sent: Vec<_> = form.into_stream().unwrap().take(9).collect().await;
        assert!(sent.iter().any(Result::is_err));
    }
}

#[test]
fn lengths_past_u64_are_unknown() {
    let mut form = FormBuilder::new(boundary("x")).unwrap();
    form.part(&PartHead::new("a"), io::empty(), Some(u64::MAX)).unwrap();
    assert_eq!(form.len(), None);
}

#[test]
fn what_would_break_a_form_is_refused() {
    let mut form = FormBuilder::<io::Empty>::new(boundary("x")).unwrap();
    assert!(form.leave().is_err());
    let head = PartHead::new("a");
    assert!(form.enter(&head, boundary("xy")).is_err(), "its lines would be taken for the outer one's");
    assert!(form.part(&PartHead::new("a\0"), io::empty(), None).is_err());
    assert!(head.clone().content_type("a\r\nb").is_err());
    form.enter(&head, boundary("y")).unwrap();
    assert!(form.into_reader().is_err(), "a multipart is open");
}

/// What is left of a form that failed is never taken for its end.
#[tokio::test]
async fn a_form_that_failed_fails_for_ever() {
    struct Gone;
    impl Read for Gone {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let mut form = FormBuilder::<Box<dyn Read>>::new(boundary("x")).unwrap();
    form.part(&PartHead::new("a"), Box::new(Gone), None).unwrap();
    let mut reader = form.into_reader().unwrap();
    assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap_err().to_string(), "gone");
    let mut form = FormBuilder::<Chunks>::new(boundary("x")).unwrap();
    form.part(&PartHead::new("a"), Box::pin(stream::iter([Err(io::Error::other("gone"))])), None).unwrap();
    let mut stream = form.into_stream().unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    assert_eq!(stream.next().await.unwrap().unwrap_err().to_string(), "the form's source failed: gone");
    for _ in 0..3 {
        assert_eq!(reader.read(&mut [0; 9]).unwrap_err().to_string(), "the form has failed before");
        assert_eq!(stream.next().await.unwrap().unwrap_err().to_string(), "the form has failed before");
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 9]).await;
        assert_eq!(read.unwrap_err().to_string(), "the form has failed before");
        assert!(!http_body::Body::is_end_stream(&stream));
    }
}

#[test]
fn a_head_has_one_file_name_and_no_length_overflows() {
    let head = PartHead::new("a").filename("first").filename("second");
    let (mut encoder, mut out) = (multipart_form::Encoder::new(boundary("x")).unwrap(), Vec::new());
    assert_eq!(encoder.part_len(&head, u64::MAX - 3), u64::MAX);
    encoder.begin(&head, &mut out).unwrap();
    assert_eq!(out, b"--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"second\"\r\n\r\n");
}
