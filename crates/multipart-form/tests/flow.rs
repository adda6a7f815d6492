//! Backpressure: a source is asked for more only when all it gave has been used, and not at all behind the form's end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum_core::extract::FromRequest;
use axum_core::response::IntoResponse;
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use multipart_form::{Boundary, ErrorKind, Form, FormRejection, Limits, Parser, Piece, Pieces, ReadError, RequestForm};

const HEAD: &[u8] = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n";

fn parser() -> Parser {
    Parser::new(Boundary::new("x").unwrap(), Limits::unbounded())
}

/// Chunks that count how often they have been asked for.
fn counted(chunks: Vec<&'static [u8]>) -> (Rc<Cell<usize>>, impl Stream<Item = io::Result<Bytes>> + Unpin) {
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    let mut chunks = chunks.into_iter();
    let stream = stream::poll_fn(move |_| {
        count.set(count.get() + 1);
        std::task::Poll::Ready(chunks.next().map(|chunk| Ok(Bytes::from_static(chunk))))
    });
    (asked, stream)
}

#[tokio::test]
async fn a_source_is_asked_when_all_is_used() {
    let (asked, source) = counted(vec![HEAD, b"one", b"two\r\n--x\r\n\r\nthree", b"\r\n--x--\r\nepilogue", b"more"]);
    let mut form = Form::from_stream(source, parser());
    assert_eq!(asked.get(), 0);
    let mut field = form.next_field().await.unwrap().unwrap();
    assert_eq!(asked.get(), 1);
    assert_eq!(field.chunk().await.unwrap().unwrap(), "one");
    assert_eq!(asked.get(), 2);
    assert_eq!(field.chunk().await.unwrap().unwrap(), "two");
    assert_eq!(field.chunk().await.unwrap(), None);
    assert_eq!(asked.get(), 3);
    let mut field = form.next_field().await.unwrap().unwrap();
    assert_eq!(field.chunk().await.unwrap().unwrap(), "three");
    assert_eq!(asked.get(), 3);
    assert_eq!(field.chunk().await.unwrap(), None);
    assert!(form.next_field().await.unwrap().is_none());
    assert_eq!(asked.get(), 4);
    let (_, rest) = form.into_pieces().into_parts();
    assert_eq!(rest, "\r\nepilogue");
}

#[tokio::test]
async fn a_source_that_fails_is_told_apart() {
    let source = stream::iter([Ok(Bytes::from_static(HEAD)), Err(io::Error::other("gone"))]);
    let mut form = Form::from_stream(source, parser());
    let mut field = form.next_field().await.unwrap().unwrap();
    assert!(matches!(field.chunk().await, Err(ReadError::Source(error)) if error.to_string() == "gone"));
}

/// An endless form: a head, then data for ever.
fn endless(given: Arc<AtomicUsize>) -> impl Stream<Item = io::Result<Bytes>> + Unpin + Send {
    stream::iter([Bytes::from_static(HEAD)]).chain(stream::repeat(Bytes::from_static(&[0; 1000]))).map(move |bytes| {
        given.fetch_add(bytes.len(), Ordering::Relaxed);
        Ok(bytes)
    })
}

#[tokio::test]
async fn a_queue_is_filled_up_to_its_limit() {
    let given = Arc::new(AtomicUsize::new(0));
    let (mut form, pump) = Form::from_stream(endless(Arc::clone(&given)), parser()).queued(10_000);
    let mut pump = Box::pin(pump);
    assert!((&mut pump).now_or_never().is_none());
    let full = given.load(Ordering::Relaxed);
    // Each piece counts 512 bytes more.
    assert!((6_000..=8_000).contains(&full), "{full}");
    assert!((&mut pump).now_or_never().is_none());
    assert_eq!(given.load(Ordering::Relaxed), full);
    let mut field = form.next_field().await.unwrap().unwrap();
    assert_eq!(field.chunk().await.unwrap().unwrap().len(), 1000);
    assert!((&mut pump).now_or_never().is_none());
    assert!(given.load(Ordering::Relaxed) > full);
    drop(form);
    pump.await;
}

#[tokio::test]
async fn a_pump_that_is_gone_is_an_early_end() {
    let (mut form, pump) = Form::from_stream(endless(Arc::default()), parser()).queued(10_000);
    drop(pump);
    match form.next_field().await {
        Err(ReadError::Form(error)) => assert_eq!(error.kind(), ErrorKind::UnexpectedEof),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_field_that_is_dropped_is_passed_over_in_a_queue() {
    let body = [HEAD, &[b'.'; 50_000], b"\r\n--x\r\n\r\nlast\r\n--x--"].concat();
    let source =
        stream::iter(body.chunks(100).map(|c| Ok::<_, io::Error>(Bytes::copy_from_slice(c))).collect::<Vec<_>>());
    let (mut form, pump) = Form::from_stream(source, parser()).queued(1000);
    let pump = tokio::spawn(pump);
    assert!(form.next_field().await.unwrap().is_some());
    let last = form.next_field().await.unwrap().unwrap();
    assert_eq!(last.bytes(10).await.unwrap(), b"last");
    assert!(form.next_field().await.unwrap().is_none());
    pump.await.unwrap();
}

/// How far the pump is ahead makes no difference.
#[test]
fn a_multipart_that_was_entered_is_passed_over_in_a_queue() {
    let inner = b"--y\r\n\r\n1\r\n--y\r\nContent-Type: multipart/mixed; boundary=w\r\n\r\n--w\r\n\r\n2\r\n--w--\r\n\r\n--y\r\n\r\n3\r\n--y--\r\n";
    let outer = b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n";
    let body = [outer, &inner[..], b"--x\r\n\r\nlast\r\n--x--"].concat();
    for limit in [1, 600, 1200, 3000, 100_000] {
        for cut in [1, 7, 1000] {
            let source = stream::iter(body.chunks(cut).map(|c| Ok::<_, io::Error>(Bytes::copy_from_slice(c))));
            let (form, mut pump) = Form::from_stream(source, parser().nested(true)).queued(limit);
            let mut pieces = form.into_pieces();
            let (mut told, mut ended) = (String::new(), false);
            loop {
                ended = ended || (&mut pump).now_or_never().is_some();
                match poll_fn(|cx| pieces.poll_piece(cx)).now_or_never() {
                    None => assert!(!ended, "more is to come, and nobody to parse it"),
                    Some(piece) => match piece.unwrap() {
                        None => break,
                        Some(Piece::Enter(_)) => {
                            told.push('(');
                            pieces.skip();
                        }
                        Some(Piece::Leave) => told.push(')'),
                        Some(Piece::Part(_)) => told.push('p'),
                        Some(Piece::Data(bytes)) => told.push_str(std::str::from_utf8(&bytes).unwrap()),
                        Some(Piece::End { .. }) => told.push('.'),
                        Some(_) => panic!("a piece without a name"),
                    },
                }
            }
            assert_eq!(told, "()plast.", "a queue of {limit}, chunks of {cut}");
        }
    }
}

#[tokio::test]
async fn an_owned_form_waits_for_its_field() {
    let body: Vec<u8> = [HEAD, b"one\r\n--x\r\n\r\ntwo\r\n--x--"].concat();
    let mut form = Form::from_tokio_read(std::io::Cursor::new(body), parser()).into_owned();
    let first = form.next_field().await.unwrap().unwrap();
    assert!(form.next_field().now_or_never().is_none());
    let later = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        drop(first);
    });
    let mut second = form.next_field().await.unwrap().unwrap();
    assert_eq!(second.chunk().await.unwrap().unwrap(), "two");
    later.await.unwrap();
}

fn request(content_type: &str, body: &'static str) -> axum_core::extract::Request {
    let request = http::Request::post("/").header("Content-Type", content_type);
    request.body(axum_core::body::Body::from(body)).unwrap()
}

#[tokio::test]
async fn an_extractor_reads_and_refuses() {
    let body = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nhello\r\n--x--\r\n";
    let RequestForm(mut form) =
        RequestForm::from_request(request("multipart/form-data; boundary=x", body), &()).await.unwrap();
    assert_eq!(form.next_field().await.unwrap().unwrap().text(10).await.unwrap(), "hello");
    let refused = RequestForm::from_request(request("text/plain", body), &()).await.unwrap_err();
    assert_eq!(refused.error().unwrap().code(), "not_multipart");
    assert_eq!(refused.into_response().status(), 415);
    let mut limited = request("multipart/form-data; boundary=x", body);
    limited.extensions_mut().insert(Limits::default().part_bytes(4));
    let RequestForm(mut form) = RequestForm::from_request(limited, &()).await.unwrap();
    let error = form.next_field().await.unwrap().unwrap().text(10).await.unwrap_err();
    let refused = FormRejection::from(error);
    assert_eq!(refused.to_string(), "a part has too many bytes (limit 4), in field \"a\", at byte 51");
    assert_eq!(refused.into_response().status(), 413);
}

#[tokio::test]
async fn an_extractor_keeps_to_the_request_bodys_limit() {
    let body = [HEAD, &vec![b'.'; 3 << 20], b"\r\n--x--"].concat();
    let request = || {
        let request = http::Request::post("/").header("Content-Type", "multipart/form-data; boundary=x");
        request.body(axum_core::body::Body::from(body.clone())).unwrap()
    };
    let RequestForm(mut form) = RequestForm::from_request(request(), &()).await.unwrap();
    let refused = loop {
        match form.next_field().await {
            Ok(field) => assert!(field.is_some(), "2 MB is axum's own limit"),
            Err(error) => break FormRejection::from(error),
        }
    };
    assert!(refused.error().is_none());
    assert_eq!(refused.to_string(), "the form's source failed: length limit exceeded");
    assert_eq!(refused.into_response().status(), 413);
    let broken = stream::iter([Ok(Bytes::from_static(HEAD)), Err(io::Error::other("gone"))]);
    let broken = request().map(|_| axum_core::body::Body::from_stream(broken));
    let RequestForm(mut form) = RequestForm::from_request(broken, &()).await.unwrap();
    form.next_field().await.unwrap().unwrap();
    let refused = FormRejection::from(form.next_field().await.unwrap_err());
    assert_eq!(refused.into_response().status(), 400);
}
