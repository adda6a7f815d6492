//! The client's commands against the real server, over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod burn;
mod errors;
mod hostile;
mod pages;
mod resume;
mod round_trip;
mod secrets;
mod world;
