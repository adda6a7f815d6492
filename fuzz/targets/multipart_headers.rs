//! Fuzzes what `crates/multipart-form/tests/fuzz/headers.rs` says.
#![no_main]

#[path = "../../crates/multipart-form/tests/fuzz/headers.rs"]
mod headers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| headers::run(data));
