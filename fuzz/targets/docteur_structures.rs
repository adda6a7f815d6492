//! Fuzzes what `crates/docteur/tests/fuzz/structures.rs` says.
#![no_main]

#[path = "../../crates/docteur/tests/fuzz/structures.rs"]
mod structures;

libfuzzer_sys::fuzz_target!(|data: &[u8]| structures::run(data));
