//! Fuzzes what `crates/netstack/tests/fuzz/wire.rs` says.
#![no_main]
#![allow(dead_code, reason = "a target uses a part of what it shares with the tests")]

#[path = "../shared/input.rs"]
mod input;
#[path = "../../crates/netstack/tests/fuzz/peer.rs"]
mod peer;
#[path = "../../crates/netstack/tests/fuzz/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::run(data));
