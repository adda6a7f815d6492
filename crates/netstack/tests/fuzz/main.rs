//! What the fuzz targets of this crate do, without the fuzzer: on their seeds and on mutations of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, missing_docs, reason = "tests")]

#[path = "../../../../fuzz/shared/input.rs"]
mod input;
mod peer;
#[path = "../../../../fuzz/shared/replay.rs"]
mod replay;
mod wire;

use replay::replay;

/// Deeds of neighbours: advertisements, and a lease's offer and acknowledgement, and a second that passes.
const NEIGHBOURS: &[&[u8]] = &[
    &[4, 0xe1, 20, 1, 0],
    &[4, 0xe1, 20, 1, 1, 2, 129],
    &[4, 0xe1, 20, 1, 1, 16, 0xff],
    &[4, 0xe0, 1, 0, 1, 5, 1, 0, 20],
    &[4, 0xe0, 1, 0, 1, 5, 1, 1, 20],
    &[6, 10],
];

#[test]
fn whatever_comes_off_the_wire_is_borne() {
    replay("netstack_wire", wire::run, usize::MAX, NEIGHBOURS);
}
