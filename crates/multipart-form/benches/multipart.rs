//! The figures of this crate beside those of its peers, in one run: `cargo bench -p multipart-form [-- --quick|--json]`.
//!
//! One core and its time (not the wall's), chunks of 64 KiB, medians of five. `--quick` runs everything once on small bodies, to see that it runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a bench stops where it fails"
)]

use std::convert::Infallible;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use memchr::memmem;
use multipart_form::{Boundary, Event, Form, Limits, Parser};
use rustix::time::{ClockId, clock_gettime};

const BOUNDARY: &str = "----WebKitFormBoundaryABCDEFGHIJKLMNOP";
const CHUNK: usize = 64 << 10;
const GIB: f64 = (1_u64 << 30) as f64;

struct Run {
    quick: bool,
    json: bool,
}

fn main() {
    let has = |flag| std::env::args().any(|argument| argument == flag);
    let run = Run { quick: has("--quick"), json: has("--json") };
    run.bodies();
    run.hostile();
    run.memory();
}

impl Run {
    fn bodies(&self) {
        let size = if self.quick { 1 << 20 } else { 256 << 20 };
        let fields = if self.quick { 1000 } else { 100_000 };
        let near = [&b"\r\n--"[..], &BOUNDARY.as_bytes()[..BOUNDARY.len() - 1]].concat();
        let text = b"The quick brown fox jumps over the lazy dog.\r\n";
        // (name, chunks, at least this much of memmem's rate, at least this much of multer's)
        let bodies = [
            ("random file", file(&random(2 * CHUNK), size), Some(0.75), Some(2.0)),
            ("near-boundary file", file(&near.repeat(2 * CHUNK / near.len() + 1), size), Some(1.0), None),
            ("lines of text", file(&text.repeat(2 * CHUNK / text.len() + 1), size), None, None),
            ("small fields", cut(&small(fields)), None, Some(4.0)),
        ];
        for (name, chunks, of_memmem, of_multer) in bodies {
            let len: usize = chunks.iter().map(Bytes::len).sum();
            let [core, adapter, memmem, multer] =
                self.times([core, adapter, scan, multer], &chunks).map(|time| len as f64 / time.as_secs_f64() / GIB);
            let figure = |what: &str, value: f64, goal: Option<f64>| self.figure(name, what, value, goal);
            figure("core, GiB/s", core, None);
            figure("async adapter, GiB/s", adapter, None);
            figure("memchr::memmem, GiB/s", memmem, None);
            figure("multer, GiB/s", multer, None);
            figure("core to memmem", core / memmem, of_memmem);
            figure("core to multer", core / multer, of_multer);
            figure("async adapter to multer", adapter / multer, None);
        }
        let chunks = cut(&small(1000));
        let counted = allocation_counter::measure(|| core(&chunks));
        self.figure("small fields", "allocations a part", counted.count_total as f64 / 1000.0, Some(-1.0));
    }

    /// How soon what is hostile is refused.
    fn hostile(&self) {
        let size = if self.quick { 1 << 20 } else { 128 << 20 };
        let head = [&b"--"[..], BOUNDARY.as_bytes(), b"\r\nX: "].concat();
        for (name, start) in [("endless header", &head[..]), ("endless preamble", b"")] {
            let body = [start, &b"a".repeat(size)].concat();
            let chunks = cut(&body);
            let [time] = self.times([refuse], &chunks);
            self.figure(name, "microseconds to be refused", time.as_secs_f64() * 1e6, Some(-1000.0));
        }
    }

    /// What a form of 10 GiB adds to memory, from a source that is always ready.
    fn memory(&self) {
        let chunks = if self.quick { 1 << 8 } else { (10_usize << 30) / CHUNK };
        let head = Bytes::from(head());
        let chunk = random(CHUNK);
        let tail = Bytes::from(tail());
        let counted = allocation_counter::measure(|| {
            let source = stream::iter([head.clone()])
                // Each has memory of its own, so that keeping some of them would show.
                .chain(stream::repeat_with(|| Bytes::from(chunk.clone())).take(chunks))
                .chain(stream::iter([tail.clone()]))
                .map(Ok::<_, Infallible>);
            let read = block_on(all(Form::from_stream(source, parser(Limits::unbounded()))));
            assert!(read >= chunks * CHUNK);
        });
        self.figure("10 GiB form", "peak growth of memory, KiB", counted.bytes_max as f64 / 1024.0, Some(-1024.0));
    }

    /// Median times of each, run in turn so that what else the machine does meets all of them.
    fn times<const N: usize>(&self, runs: [fn(&[Bytes]); N], chunks: &[Bytes]) -> [Duration; N] {
        let rounds = if self.quick { 1 } else { 5 };
        let mut times = [(); N].map(|()| Vec::new());
        for _ in 0..rounds {
            for (run, times) in runs.iter().zip(&mut times) {
                let start = now();
                run(chunks);
                times.push(now() - start);
            }
        }
        times.map(|mut times| {
            times.sort();
            times[rounds / 2]
        })
    }

    /// Prints a figure; a goal below 0 is a most.
    fn figure(&self, body: &str, what: &str, value: f64, goal: Option<f64>) {
        if self.json {
            let goal = goal.map_or("null".to_owned(), |goal| goal.to_string());
            println!(r#"{{"body":"{body}","figure":"{what}","value":{value},"goal":{goal}}}"#);
            return;
        }
        let met = |goal: f64| if goal < 0.0 { value <= -goal } else { value >= goal };
        let goal = goal.map_or(String::new(), |goal| {
            let most = if goal < 0.0 { "at most" } else { "at least" };
            format!("  {most} {}: {}", goal.abs(), if met(goal) { "met" } else { "MISSED" })
        });
        println!("{body:20} {what:28} {value:9.2}{goal}");
    }
}

fn parser(limits: Limits) -> Parser {
    Parser::new(Boundary::new(BOUNDARY).unwrap(), limits)
}

fn refuse(chunks: &[Bytes]) {
    let mut parser = parser(Limits::default());
    let refused = chunks.iter().any(|chunk| parser.next(&mut &chunk[..]).is_err());
    assert!(refused);
}

fn core(chunks: &[Bytes]) {
    let mut parser = parser(Limits::unbounded());
    let mut read = 0;
    for chunk in chunks {
        let mut input = &chunk[..];
        while let Some(event) = parser.next(&mut input).unwrap() {
            match event {
                Event::Part(head) => read += black_box(head.name_raw()).map_or(0, |name| name.len()),
                Event::Data(bytes) => read += black_box(bytes).len(),
                _ => {}
            }
        }
    }
    parser.close().unwrap();
    black_box(read);
}

fn adapter(chunks: &[Bytes]) {
    let source = stream::iter(chunks.iter().cloned().map(Ok::<_, Infallible>));
    black_box(block_on(all(Form::from_stream(source, parser(Limits::unbounded())))));
}

async fn all(mut form: Form<impl multipart_form::Pieces<Error = Infallible>>) -> usize {
    let mut read = 0;
    while let Some(mut field) = form.next_field().await.unwrap() {
        while let Some(bytes) = field.chunk().await.unwrap() {
            read += black_box(bytes).len();
        }
    }
    read
}

fn multer(chunks: &[Bytes]) {
    block_on(async {
        // It reads on until its source has nothing, so a source that always has something makes it hold the whole body:
        // here one that pauses behind each chunk shows its best.
        let mut chunks = chunks.iter().cloned();
        let mut pause = true;
        let source = stream::poll_fn(move |_| {
            pause = !pause;
            if pause { Poll::Pending } else { Poll::Ready(chunks.next().map(Ok::<_, Infallible>)) }
        });
        let mut form = multer::Multipart::new(source, BOUNDARY);
        let mut read = 0;
        while let Some(mut field) = form.next_field().await.unwrap() {
            while let Some(bytes) = field.chunk().await.unwrap() {
                read += black_box(bytes).len();
            }
        }
        black_box(read);
    });
}

fn scan(chunks: &[Bytes]) {
    let finder = memmem::Finder::new(BOUNDARY.as_bytes());
    let finder = memmem::Finder::new(&[b"\r\n--", finder.needle()].concat()).into_owned();
    let found: usize = chunks.iter().map(|chunk| finder.find_iter(chunk).count()).sum();
    black_box(found);
}

fn head() -> Vec<u8> {
    format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n").into_bytes()
}

fn tail() -> Vec<u8> {
    format!("\r\n--{BOUNDARY}--\r\n").into_bytes()
}

/// A file of `size` bytes, of the same few chunks again and again: they stay in the cache, so that what is measured is not
/// the memory's rate.
fn file(bytes: &[u8], size: usize) -> Vec<Bytes> {
    let few: Vec<Bytes> = bytes.chunks_exact(CHUNK).map(Bytes::copy_from_slice).collect();
    let body = few.iter().cycle().take(size / CHUNK).cloned();
    [Bytes::from(head())].into_iter().chain(body).chain([Bytes::from(tail())]).collect()
}

fn cut(body: &[u8]) -> Vec<Bytes> {
    body.chunks(CHUNK).map(Bytes::copy_from_slice).collect()
}

fn small(fields: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for n in 0..fields {
        let part = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"field{n}\"\r\n\r\nvalue {n}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    body.extend_from_slice(&tail()[2..]);
    body
}

fn random(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Polls until it is done: every source here is always ready.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

/// Time that this thread has run.
fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}
