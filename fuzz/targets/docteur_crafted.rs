//! Fuzzes what `crates/docteur/tests/fuzz/crafted.rs` says.
#![no_main]

#[path = "../../crates/docteur/tests/fuzz/crafted.rs"]
mod crafted;
#[path = "../../crates/docteur/tests/fuzz/reading.rs"]
mod reading;

libfuzzer_sys::fuzz_target!(|data: &[u8]| crafted::run(data));
