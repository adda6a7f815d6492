//! The fuzz targets of `fuzz/`, run on their seeds and on mutations of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what is shared with the form parser's targets is not used whole")]

#[path = "../../../../fuzz/shared/input.rs"]
mod input;
mod link;
mod plain;
#[path = "../../../../fuzz/shared/replay.rs"]
mod replay;

use replay::replay;

#[test]
fn plain_seeds() {
    replay("envelope_plain", plain::run, usize::MAX, &[]);
}

#[test]
fn link_seeds() {
    replay("envelope_link", link::run, usize::MAX, &[]);
}
