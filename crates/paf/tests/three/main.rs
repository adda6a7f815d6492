//! The service by HTTP/3 over datagrams in memory, on a clock that jumps: good clients are h3's own, bad ones write QUIC's streams
//! themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod good;
mod hostile;
mod net;
mod world;
