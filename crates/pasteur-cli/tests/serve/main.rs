//! `pasteur serve` as an operator runs it: a process, real sockets, signals, files and exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod acme;
mod authority;
mod clients;
mod configuration;
mod h3;
mod hostile;
mod places;
mod refusals;
mod running;
mod server;
mod tls;
