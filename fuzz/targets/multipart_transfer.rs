//! Fuzzes what `crates/multipart-form/tests/fuzz/transfer.rs` says.
#![no_main]
#![allow(dead_code, reason = "a target uses a part of what it shares with the tests")]

#[path = "../shared/input.rs"]
mod input;
#[path = "../../crates/multipart-form/tests/fuzz/transfer.rs"]
mod transfer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| transfer::run(data));
