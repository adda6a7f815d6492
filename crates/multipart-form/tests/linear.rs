//! Work is linear in what is sent, whatever it is: valgrind counts the instructions for inputs of 1x, 2x and 4x.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

use std::process::Command;

use multipart_form::{Boundary, Decoder, Disposition, Event, Limits, Parser, TransferEncoding};

/// One size.
const X: usize = 24 << 10;
const SLACK: u64 = 300_000;
const INPUT: &str = "MULTIPART_FORM_LINEAR";

type Make = fn(usize) -> Vec<u8>;
const HOSTILE: [(&str, Make); 14] = [
    ("a header line without an end", |n| [&b"--x\r\nA: "[..], &b"a".repeat(n)].concat()),
    ("a header without an end", |n| [&b"--x\r\n"[..], &b"A: b\r\n".repeat(n / 6)].concat()),
    ("a field of folds", |n| [&b"--x\r\nA: b"[..], &b"\r\n c".repeat(n / 4), b"\r\n\r\n\r\n--x--"].concat()),
    ("quotes that end no string", |n| disposition(b"\\\"; ", n)),
    ("quotes that almost end a string", |n| disposition(b"\\\";a ", n)),
    ("percent signs", |n| disposition(b"%22%", n)),
    ("parameters", |n| {
        let value = b";a=b".repeat(n / 4);
        [b"--x\r\nContent-Disposition: form-data", &value[..], b"\r\n\r\n\r\n--x--"].concat()
    }),
    ("a preamble without an end", |n| b"a".repeat(n)),
    ("a preamble of line ends", |n| b"\r\n".repeat(n / 2)),
    ("a body of almost delimiters", |n| body(b"\r\n--y", n)),
    ("a body of padded almost delimiters", |n| body(&[b"\r\n--x", &b" ".repeat(1020)[..], b"y"].concat(), n)),
    ("a body of delimiters' beginnings", |n| body(b"\r\n-\r\r\n--", n)),
    ("empty parts", |n| [&b"--x\r\n\r\n".repeat(n / 7), &b"--x--"[..]].concat()),
    ("parts within parts", |n| {
        let open = (0..7).map(|depth| {
            let outer = if depth == 0 { "x".to_owned() } else { format!("y{depth}") };
            format!("--{outer}\r\nContent-Type: multipart/mixed; boundary=y{}\r\n\r\n", depth + 1)
        });
        [open.collect::<String>().as_bytes(), b"--y7\r\n\r\n", &b"\r\n--y".repeat(n / 5)].concat()
    }),
];

fn disposition(unit: &[u8], n: usize) -> Vec<u8> {
    let name = unit.repeat(n / unit.len());
    [b"--x\r\nContent-Disposition: form-data; name=\"", &name[..], b"\"\r\n\r\n\r\n--x--"].concat()
}

fn body(unit: &[u8], n: usize) -> Vec<u8> {
    [b"--x\r\n\r\n", &unit.repeat(n / unit.len())[..], b"\r\n--x--"].concat()
}

/// The first half in one piece, the rest in pieces of five bytes.
fn parse(input: &[u8]) {
    let limits = Limits::unbounded().headers(u64::MAX).header_bytes(u64::MAX);
    let mut parser = Parser::new(Boundary::new("x").unwrap(), limits).nested(true);
    let mut seen = 0;
    let (whole, rest) = input.split_at(input.len() / 2);
    'all: for mut piece in std::iter::once(whole).chain(rest.chunks(5)) {
        loop {
            match parser.next(&mut piece) {
                Ok(Some(Event::Part(head))) => seen += head.name().map_or(0, |name| name.len()),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => break 'all,
            }
        }
    }
    // What was refused sooner would say nothing of the rest.
    assert!(parser.offset() + 32 >= input.len() as u64, "{} of {}", parser.offset(), input.len());
    let _ = (parser.close(), seen);
}

/// What is counted: run by the test below, under valgrind, with the input's number and size.
#[test]
fn worker() {
    let Ok(input) = std::env::var(INPUT) else { return };
    let numbers: Vec<usize> = input.split(' ').map(|n| n.parse().unwrap()).collect();
    let [which, size] = numbers[..] else { panic!("two numbers") };
    parse(&HOSTILE[which].1(size));
}

fn instructions(which: usize, size: usize) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "worker", "--test-threads=1"])
        .env(INPUT, format!("{which} {size}"))
        .output()
        .expect("valgrind, which counts the instructions, is installed");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let count = text.lines().find_map(|line| line.split_once("Collected :")).unwrap_or_else(|| panic!("{text}")).1;
    count.trim().parse().unwrap()
}

#[test]
fn needs_valgrind_to_count_instructions() {
    let base = instructions(0, 0);
    for (which, (name, _)) in HOSTILE.iter().enumerate() {
        // The last time a million of them.
        let size = if *name == "empty parts" { 250_000 * 7 } else { X };
        let [one, two, four] = std::thread::scope(|scope| {
            let counts = [1, 2, 4].map(|n| scope.spawn(move || instructions(which, n * size).saturating_sub(base)));
            counts.map(|count| count.join().unwrap())
        });
        let told = format!("{name}: {one}, {two}, {four} instructions");
        println!("{told}");
        // A little more than twice and four times, as memory that grows is copied now and then, and the test's own
        // instructions are not always as many.
        assert!(four >= one * 2, "it grows with what is read: {told}");
        assert!(two <= one * 5 / 2 + SLACK, "{told}");
        assert!(four <= one * 5 + SLACK, "{told}");
    }
}

/// The same for values and decoders that are used by themselves, by their results alone: what they hold does not grow.
#[test]
fn values_of_any_size_are_read() {
    let value = [b"form-data; name=\"", &b"\\\"; x".repeat(100_000)[..], b"\""].concat();
    assert!(Disposition::parse(&value).is_ok());
    let mut out = Vec::new();
    let mut decoder = Decoder::new(TransferEncoding::QuotedPrintable);
    for _ in 0..1000 {
        decoder.decode(b"=20=\r\n", &mut out).unwrap();
    }
    assert_eq!(out.len(), 1000);
}
