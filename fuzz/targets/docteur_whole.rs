//! Fuzzes what `crates/docteur/tests/fuzz/whole.rs` says.
#![no_main]

#[path = "../../crates/docteur/tests/fuzz/reading.rs"]
mod reading;
#[path = "../../crates/docteur/tests/fuzz/whole.rs"]
mod whole;

libfuzzer_sys::fuzz_target!(|data: &[u8]| whole::run(data));
