//! Fuzzes what `crates/docteur/tests/fuzz/frame.rs` says.
#![no_main]

#[path = "../../crates/docteur/tests/fuzz/frame.rs"]
mod frame;

libfuzzer_sys::fuzz_target!(|data: &[u8]| frame::run(data));
