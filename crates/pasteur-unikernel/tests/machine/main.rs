//! The server as a machine of its own, in QEMU: pastes by the real command line, stores that go to and fro, and worlds in which
//! something is missing or fails. `cargo xtask test` builds the image and the program, and names them.

#![cfg(not(target_os = "hermit"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test panics where it fails")]

mod certificate;
mod chance;
mod client;
mod faults;
mod files;
mod frames;
mod http;
mod machine;
mod memory;
mod nbd;
mod network;
mod pastes;
mod power;
mod program;
mod stops;
mod symbols;
mod tls;
mod wire;
mod worlds;
