//! The service over flows in memory, on a clock that jumps: every limit is met to the second, and no test waits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod bodies;
mod floods;
mod frames;
mod heads;
mod pressure;
mod proxies;
mod rest;
mod room;
mod smuggling;
mod stopping;
mod tls;
mod two;
mod world;
