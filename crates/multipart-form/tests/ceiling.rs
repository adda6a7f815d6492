//! Memory stays under the documented ceilings, whatever is sent: a counting allocator says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

use std::convert::Infallible;

use allocation_counter::measure;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use multipart_form::{Boundary, Event, Form, Limits, Parser, ReadForm};

const KIB: u64 = 1 << 10;

/// What [`Parser`] promises: a header and 32 bytes for each field, twice while they grow, and 3 KiB for each level.
fn ceiling(levels: u64) -> u64 {
    2 * (16 * KIB + 32 * 32) + 3 * KIB * levels
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

/// The beginnings of seven multiparts inside each other and the form, each with 32 fields, one of them of `fill` bytes.
fn multiparts(fill: usize) -> Vec<u8> {
    let begin = |depth: usize| {
        let outer = if depth == 0 { "x".to_owned() } else { format!("y{depth}") };
        let (more, value) = ("A: b\r\n".repeat(30), "c".repeat(fill));
        let inner = format!("Content-Type: multipart/mixed; boundary=y{}", depth + 1);
        format!("--{outer}\r\n{more}D: {value}\r\n{inner}\r\n\r\n")
    };
    (0..7).map(begin).collect::<String>().into_bytes()
}

#[test]
fn multiparts_are_as_deep_as_they_may_be() {
    for fill in [0, 16_000] {
        // The last line end could begin a delimiter of those around, but for the byte behind it.
        let input = [&multiparts(fill)[..], b"."].concat();
        let (mut parser, mut entered) = (Parser::new(boundary(), Limits::default()).nested(true), 0);
        for mut piece in input.chunks(100) {
            while let Some(event) = parser.next(&mut piece).unwrap() {
                assert!(matches!(event, Event::Enter(_)));
                entered += 1;
            }
        }
        assert_eq!(entered, 7);
    }
}

#[test]
fn the_parser_holds_one_header() {
    // As many fields as there may be, then also as many bytes.
    let [deep, full] = [0, 16_000].map(multiparts);
    let padding = [b"\r\n--y7", &[b' '; 900][..]].concat();
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
                ("multiparts in multiparts", deep.clone(), b"--y7\r\n\r\n", 8),
                ("full headers in multiparts", full.clone(), b"--y7\r\n\r\n", 8),
                ("padding in multiparts", [&deep[..], b"--y7\r\n\r\n"].concat(), &padding, 8),
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
    // Each has memory of its own, so that keeping some of them would show.
    let chunk = || Bytes::from(vec![b'-'; 64 << 10]);
    stream::iter([Bytes::from(part())])
        .chain(stream::repeat_with(chunk).take(4096))
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
    parser_of(Limits::default())
}

fn parser_of(limits: Limits) -> Parser {
    Parser::new(boundary(), limits)
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

/// Polls a pump until its queue is full.
fn fill(mut pump: impl Future<Output = ()> + Unpin) -> bool {
    (0..1000).all(|_| (&mut pump).now_or_never().is_none())
}

/// The room that many small pieces needed stays beside large ones.
#[test]
fn a_queue_that_was_emptied_holds_no_more() {
    // Little more than a power of two of small pieces, so that the room for them is twice what they need.
    let limit = 1026 * 257;
    let counted = measure(|| {
        let small = stream::repeat_with(|| Bytes::from_static(b".")).take(2052);
        let large = stream::repeat_with(|| Bytes::from(vec![b'.'; 8 << 10]));
        let source = stream::iter([Bytes::from(part())]).chain(small).chain(large);
        let form = Form::from_stream(source.map(Ok::<_, Infallible>), parser_of(Limits::unbounded()));
        let (mut form, mut pump) = form.queued(limit);
        assert!(fill(&mut pump));
        let mut field = form.next_field().now_or_never().unwrap().unwrap().unwrap();
        let mut read = 0;
        while read < 2052 {
            match field.chunk().now_or_never() {
                Some(chunk) => read += chunk.unwrap().unwrap().len(),
                None => assert!(fill(&mut pump)),
            }
        }
        assert!(fill(&mut pump));
    });
    let ceiling = 2 * limit as u64 + 2 * (8 << 10) + ceiling(1) + 4 * KIB;
    assert!(counted.bytes_max <= ceiling, "{} of {ceiling}", counted.bytes_max);
}

/// A reader that never reads: what the queue then holds is all that it is filled to.
#[test]
fn a_queue_holds_no_more_than_it_says() {
    // A piece of a chunk that has `room` bytes behind it.
    let within = |bytes: &[u8], room: usize| {
        let mut whole = bytes.to_vec();
        whole.resize(bytes.len() + room, b'.');
        Bytes::from(whole).slice(..bytes.len())
    };
    let full = |bytes: &[u8]| within(&[bytes, &vec![b'.'; (16 << 10) - bytes.len()]].concat(), 0);
    let empty = b"--x\r\nA: b\r\n\r\n\r\n".repeat(1000);
    let tiny = [&part()[..], b"1\r\n"].concat();
    let headers = [b"--x\r\n".as_slice(), &b"A: b\r\n".repeat(31), b"\r\n\r\n"].concat();
    let first = Bytes::from(part());
    for (what, first, next) in [
        ("a file", first.clone(), full(&[b'.'; 1000])),
        ("empty parts", first.clone(), Bytes::from(empty)),
        ("tiny parts", first.clone(), full(&tiny)),
        ("headers", first.clone(), full(&headers)),
        ("single bytes", first.clone(), Bytes::from_static(b".")),
        ("single bytes of large buffers", first.clone(), within(b".", 64 << 10)),
        ("most of large buffers", first, within(&[b'.'; 40 << 10], 24 << 10)),
    ] {
        for limit in [16 << 10, 256 << 10] {
            let counted = measure(|| {
                let again = || Bytes::from(next.to_vec());
                let source = stream::iter([first.clone()]).chain(stream::repeat_with(again)).take(20_000);
                let form = Form::from_stream(source.map(Ok::<_, Infallible>), parser_of(Limits::unbounded()));
                let (form, mut pump) = form.queued(limit);
                assert!(fill(&mut pump), "{what} fills it");
                drop(form);
            });
            // The piece that met the limit, and the chunk that is being parsed.
            let ceiling = 2 * limit as u64 + 2 * next.len() as u64 + ceiling(1) + 4 * KIB;
            assert!(counted.bytes_max <= ceiling, "{what} in {limit}: {} of {ceiling}", counted.bytes_max);
        }
    }
}

/// What the source gave is not kept alive by the little of it that is in the queue.
#[test]
fn a_queue_keeps_no_buffer_of_its_source_alive() {
    let kept = std::sync::Arc::new(());
    struct Buffer(Vec<u8>, #[expect(dead_code, reason = "counted")] std::sync::Arc<()>);
    impl AsRef<[u8]> for Buffer {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let chunk = |bytes: &[u8]| Bytes::from_owner(Buffer(bytes.to_vec(), std::sync::Arc::clone(&kept)));
    let source = stream::iter([chunk(&part())]).chain(stream::repeat_with(|| chunk(&[b'.'; 700])));
    let (form, mut pump) = Form::from_stream(source.map(Ok::<_, Infallible>), parser()).queued(64 << 10);
    assert!(fill(&mut pump));
    assert!(std::sync::Arc::strong_count(&kept) <= 3, "the test's own, the source's, the chunk in the parser");
    drop(form);
}
