//! The fuzz targets of `fuzz/`, run on their seeds and on some thousands of mutations of them, always the same ones: so a
//! machine without the fuzzer still runs what it runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod encoder;
mod events;
mod headers;
mod input;
mod naive;
mod parser;
mod strict;
mod transfer;

use std::fs;
use std::path::Path;

use input::Numbers;

#[test]
fn parser_seeds() {
    replay("multipart_parser", parser::run);
}

#[test]
fn strict_seeds() {
    replay("multipart_strict", strict::run);
}

#[test]
fn header_seeds() {
    replay("multipart_headers", headers::run);
}

#[test]
fn transfer_seeds() {
    replay("multipart_transfer", transfer::run);
}

#[test]
fn encoder_seeds() {
    replay("multipart_encoder", encoder::run);
}

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(seeds.len() >= 5, "{target} has seeds");
    for seed in &seeds {
        run(seed);
    }
    let small: Vec<&Vec<u8>> = seeds.iter().filter(|seed| seed.len() <= 2048).collect();
    let mut numbers = Numbers::new(1);
    for _ in 0..4000 {
        let mut bytes = small[numbers.below(small.len())].clone();
        let other = small[numbers.below(small.len())];
        for _ in 0..=numbers.below(4) {
            mutate(&mut bytes, other, &mut numbers);
        }
        run(&bytes);
    }
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    const WORDS: [&[u8]; 12] =
        [b"\r\n", b"\r", b"\n", b"--", b"\r\n--", b" ", b"\t", b":", b"\"", b"\\\"", b"=", b"\r\n\r\n"];
    let at = numbers.below(bytes.len() + 1);
    let to = (at + numbers.below(20)).min(bytes.len());
    match numbers.below(6) {
        0 => drop(bytes.drain(at..to)),
        1 => drop(bytes.splice(at..at, WORDS[numbers.below(WORDS.len())].iter().copied())),
        2 => bytes.extend_from_within(at..to),
        3 => bytes.truncate(at),
        4 => {
            let from = numbers.below(other.len() + 1);
            drop(bytes.splice(at.., other[from..].iter().copied()));
        }
        _ => bytes[at..to].iter_mut().take(2).for_each(|b| *b = numbers.next().to_be_bytes()[0]),
    }
}
