//! What the fuzz targets of this crate do, without the fuzzer: on their seeds and on mutations of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, missing_docs, reason = "tests")]

#[path = "../../../../fuzz/shared/input.rs"]
mod input;
mod peer;
#[path = "../../../../fuzz/shared/replay.rs"]
mod replay;
mod wire;

use replay::replay;

#[test]
fn whatever_comes_off_the_wire_is_borne() {
    replay("netstack_wire", wire::run, usize::MAX, &[]);
}
