//! The whole application over the embedded store, spoken to in bytes: network, disk, clock and randomness are in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod admin;
mod burning;
mod described;
mod forms;
mod hostile;
mod life;
mod limits;
mod pages;
mod ranges;
mod wire;
mod world;
