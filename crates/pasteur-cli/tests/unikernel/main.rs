//! `pasteur unikernel`, with images made by hand and with real ones in QEMU.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod image;
mod inspect;
mod run;
