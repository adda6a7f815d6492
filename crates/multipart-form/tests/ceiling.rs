//! Memory stays under the documented ceilings, whatever is sent: a counting allocator says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

use std::convert::Infallible;

use allocation_counter::measure;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use multipart_form::{Boundary, Form, Limits, Parser, ReadForm};

const KIB: u64 = 1 << 10;

/// What [`Parser`] promises: a header and 32 bytes for each field, twice while they grow, and 3 KiB, for each level.
fn ceiling(levels: u64) -> u64 {
    2 * (16 * KIB + 32 * 32) * levels + 3 * KIB * levels
}

fn boundary() -> Boundary {
    Boundary::new("x").unwrap()
}

fn part() -> Vec<u8> {
    b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n".to_vec()
}

/// What a megabyte or two of it makes the parser hold at most.
fn peak(start: &[u8], unit: &[u8], chunk: usize, limits: &Limits) -> u64 {
    let input = [start, &unit.repeat((2 << 20) / unit.len())].concat();
    let counted = measure(|| {
        let mut parser = Parser::new(boundary(), limits.clone()).nested(true);
        for mut piece in input.chunks(chunk) {
            while let Ok(Some(_)) = parser.next(&mut piece) {}
        }
    });
    counted.bytes_max
}

#[test]
fn the_parser_holds_one_header_a_level() {
    let deep: String = (0..8)
        .map(|depth| {
            let outer = if depth == 0 { "x".to_owned() } else { format!("y{depth}") };
            let more = "A: b\r\n".repeat(30);
            format!("--{outer}\r\n{more}Content-Type: multipart/mixed; boundary=y{}\r\n\r\n", depth + 1)
        })
        .collect();
    for limits in [Limits::default(), Limits::unbounded()] {
        for chunk in [1, 100, 64 << 10] {
            for (what, start, unit, levels) in [
                ("a file", part(), &[7; 999][..], 1),
                ("almost delimiters", part(), b"\r\n--y", 1),
                ("padding", part(), &[b"\r\n--x", &[b' '; 900][..]].concat(), 1),
                ("padding without an end", [part(), b"\r\n--x".to_vec()].concat(), b" ", 1),
                ("empty parts", Vec::new(), b"--x\r\n\r\n", 1),
                ("fields", Vec::new(), b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n", 1),
                ("a line without an end", b"--x\r\nA: ".to_vec(), b"a", 1),
                ("a header without an end", b"--x\r\n".to_vec(), b"A: b\r\n", 1),
                ("folds", b"--x\r\nA: ".to_vec(), b"b\r\n ", 1),
                ("a preamble", Vec::new(), b"a", 1),
                ("multiparts in multiparts", deep.clone().into_bytes(), b"--y8\r\n\r\n", 8),
            ] {
                let peak = peak(&start, unit, chunk, &limits);
                assert!(peak <= ceiling(levels), "{what} by {chunk}: {peak} of {}", ceiling(levels));
            }
        }
    }
}

#[test]
fn a_part_costs_no_allocation_of_its_own() {
    let many = |n: usize| {
        let field =
            b"--x\r\nContent-Disposition: form-data; name=\"name\"\r\nContent-Type: text/plain\r\n\r\nvalue\r\n";
        let input = [&field.repeat(n), &b"--x--"[..]].concat();
        measure(|| {
            let mut parser = Parser::new(boundary(), Limits::unbounded());
            for mut piece in input.chunks(4096) {
                while parser.next(&mut piece).unwrap().is_some() {}
            }
            parser.close().unwrap();
        })
        .count_total
    };
    assert!(many(10_000) <= many(100) + 5, "{} then {}", many(100), many(10_000));
}

/// A source that always has more, of 256 MiB in all.
fn file() -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> + Unpin {
    let chunk = Bytes::from(vec![b'-'; 64 << 10]);
    stream::iter([Bytes::from(part())])
        .chain(stream::iter(std::iter::repeat_n(chunk, 4096)))
        .chain(stream::iter([Bytes::from_static(b"\r\n--x--")]))
        .map(Ok)
}

#[test]
fn adapters_do_not_hold_what_passes_through() {
    let counted = measure(|| {
        let mut read = 0;
        let all = async {
            let mut form = Form::from_stream(file(), Parser::new(boundary(), Limits::default()));
            let mut field = form.next_field().await.unwrap().unwrap();
            while let Some(bytes) = field.chunk().await.unwrap() {
                read += bytes.len();
            }
            assert!(form.next_field().await.unwrap().is_none());
        };
        all.now_or_never().unwrap();
        assert_eq!(read, 256 << 20);
    });
    assert!(counted.bytes_max < 1 << 20, "{}", counted.bytes_max);
    let start = part();
    let counted = measure(|| {
        let source = std::io::Read::chain(&start[..], std::io::Read::take(std::io::repeat(b'-'), 64 << 20));
        let source = std::io::Read::chain(source, &b"\r\n--x--"[..]);
        let mut form = ReadForm::new(source, Parser::new(boundary(), Limits::default()));
        let mut field = form.next_field().unwrap().unwrap();
        assert_eq!(std::io::copy(&mut field, &mut std::io::sink()).unwrap(), 64 << 20);
    });
    // Its buffer, and that of `copy`.
    assert!(counted.bytes_max < 64 * KIB + 16 * KIB, "{}", counted.bytes_max);
}

#[test]
fn async_readers_use_their_buffer_again() {
    use tokio::io::AsyncReadExt;
    let start = part();
    let by_tokio = Form::from_tokio_read(start.chain(tokio::io::repeat(b'-').take(64 << 20)), parser());
    let counted = measure(|| assert_eq!(length(by_tokio), 64 << 20));
    assert!(counted.bytes_max < 256 * KIB, "{}", counted.bytes_max);
    let start = part();
    let source = futures_util::AsyncReadExt::chain(
        &start[..],
        futures_util::AsyncReadExt::take(futures_util::io::repeat(b'-'), 64 << 20),
    );
    let by_futures = Form::from_futures_read(source, parser());
    let counted = measure(|| assert_eq!(length(by_futures), 64 << 20));
    assert!(counted.bytes_max < 256 * KIB, "{}", counted.bytes_max);
}

fn parser() -> Parser {
    Parser::new(boundary(), Limits::default())
}

/// The length of the first field of a form that may end there.
fn length(mut form: Form<impl multipart_form::Pieces>) -> usize {
    let mut read = 0;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut field = form.next_field().await.ok().flatten().unwrap();
        while let Ok(Some(bytes)) = field.chunk().await {
            read += bytes.len();
        }
    });
    read
}

/// A reader that never reads: what the queue then holds is all it ever holds.
#[test]
fn a_queue_holds_no_more_than_it_says() {
    const LIMIT: usize = 256 << 10;
    let chunk = |bytes: &[u8]| {
        let mut whole = bytes.to_vec();
        whole.resize(bytes.len().max(16 << 10), b'.');
        Bytes::from(whole)
    };
    let empty = b"--x\r\nA: b\r\n\r\n\r\n".repeat(1000);
    let tiny = [&part()[..], b"1\r\n"].concat();
    let most_header = [b"--x\r\n".as_slice(), &b"A: b\r\n".repeat(31), b"\r\n\r\n"].concat();
    for (what, bytes) in [("a file", part()), ("empty parts", empty), ("tiny parts", tiny), ("headers", most_header)] {
        let counted = measure(|| {
            let head = stream::iter([Bytes::from(bytes.clone())]);
            let source = head.chain(stream::repeat_with(|| chunk(&bytes))).take(2000).map(Ok::<_, Infallible>);
            let form = Form::from_stream(source, Parser::new(boundary(), Limits::unbounded()));
            let (form, mut pump) = form.queued(LIMIT);
            assert!((&mut pump).now_or_never().is_none(), "{what} fills it");
            drop(form);
        });
        let ceiling = 2 * LIMIT as u64 + 64 * KIB + ceiling(1);
        assert!(counted.bytes_max <= ceiling, "{what}: {} of {ceiling}", counted.bytes_max);
    }
}
