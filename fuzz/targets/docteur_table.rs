//! Fuzzes what `crates/docteur/tests/fuzz/table.rs` says.
#![no_main]

#[path = "../../crates/docteur/tests/fuzz/table.rs"]
mod table;

libfuzzer_sys::fuzz_target!(|data: &[u8]| table::run(data));
