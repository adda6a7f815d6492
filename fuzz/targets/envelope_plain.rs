//! Fuzzes what `crates/envelope/tests/fuzz/plain.rs` says.
#![no_main]
#![allow(dead_code)]

#[path = "../shared/input.rs"]
mod input;
#[path = "../../crates/envelope/tests/fuzz/plain.rs"]
mod plain;

libfuzzer_sys::fuzz_target!(|data: &[u8]| plain::run(data));
