//! HTTP services over any TCP/IP stack.
//!
//! A service is a tower handler, its limits and its connections; [`http::serve`] runs it on a [`device::Listener`]
//! until a [`Stop`] is pulled. The crate knows no operating system: sockets come from `device::Stack`, time and tasks
//! from tokio.

mod client;
mod counters;
pub mod http;
mod stop;

pub use client::{Client, Net, NetError};
pub use counters::{Counters, Snapshot};
pub use stop::Stop;
