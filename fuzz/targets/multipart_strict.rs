//! Fuzzes what `crates/multipart-form/tests/fuzz/strict.rs` says.
#![no_main]
#![allow(dead_code, reason = "a target uses a part of what it shares with the tests")]

#[path = "../../crates/multipart-form/tests/fuzz/events.rs"]
mod events;
#[path = "../shared/input.rs"]
mod input;
#[path = "../../crates/multipart-form/tests/fuzz/strict.rs"]
mod strict;

libfuzzer_sys::fuzz_target!(|data: &[u8]| strict::run(data));
