//! The fuzz targets of `fuzz/`, run on their seeds and on mutations of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod encoder;
mod events;
mod headers;
#[path = "../../../../fuzz/shared/input.rs"]
mod input;
mod naive;
mod parser;
#[path = "../../../../fuzz/shared/replay.rs"]
mod replay;
mod strict;
mod transfer;

use replay::replay;

/// What means something in a form; and large seeds are only run as they are.
const WORDS: [&[u8]; 12] =
    [b"\r\n", b"\r", b"\n", b"--", b"\r\n--", b" ", b"\t", b":", b"\"", b"\\\"", b"=", b"\r\n\r\n"];
const LONGEST: usize = 2048;

#[test]
fn parser_seeds() {
    replay("multipart_parser", parser::run, LONGEST, &WORDS);
}

#[test]
fn strict_seeds() {
    replay("multipart_strict", strict::run, LONGEST, &WORDS);
}

#[test]
fn header_seeds() {
    replay("multipart_headers", headers::run, LONGEST, &WORDS);
}

#[test]
fn transfer_seeds() {
    replay("multipart_transfer", transfer::run, LONGEST, &WORDS);
}

#[test]
fn encoder_seeds() {
    replay("multipart_encoder", encoder::run, LONGEST, &WORDS);
}
