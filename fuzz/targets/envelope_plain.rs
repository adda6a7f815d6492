//! Fuzzes what `crates/envelope/tests/fuzz/plain.rs` says.
#![no_main]
#![allow(dead_code, reason = "a target uses a part of what it shares with the tests")]

#[path = "../shared/input.rs"]
mod input;
#[path = "../../crates/envelope/tests/fuzz/plain.rs"]
mod plain;

libfuzzer_sys::fuzz_target!(|data: &[u8]| plain::run(data));
