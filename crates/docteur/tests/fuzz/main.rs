//! The fuzz targets of `fuzz/`, run on their seeds and on mutations of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "what is shared with the form parser's targets is not used whole")]

mod crafted;
mod frame;
#[path = "../../../../fuzz/shared/input.rs"]
mod input;
mod reading;
#[path = "../../../../fuzz/shared/replay.rs"]
mod replay;
mod structures;
mod table;
mod whole;

use replay::replay;

#[test]
fn whole_seeds() {
    replay("docteur_whole", whole::run, usize::MAX, &[]);
}

#[test]
fn crafted_seeds() {
    replay("docteur_crafted", crafted::run, usize::MAX, &[]);
}

#[test]
fn structures_seeds() {
    replay("docteur_structures", structures::run, usize::MAX, &[]);
}

#[test]
fn frame_seeds() {
    replay("docteur_frame", frame::run, usize::MAX, &[]);
}

#[test]
fn table_seeds() {
    replay("docteur_table", table::run, usize::MAX, &[]);
}
