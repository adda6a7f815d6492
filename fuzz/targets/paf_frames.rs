//! Fuzzes what `crates/paf/tests/fuzz/stream.rs` says.
#![no_main]
#![allow(dead_code, reason = "a target uses a part of what it shares with the tests")]

#[path = "../shared/input.rs"]
mod input;
#[path = "../../crates/paf/tests/fuzz/stream.rs"]
mod stream;

libfuzzer_sys::fuzz_target!(|data: &[u8]| stream::run(data));
