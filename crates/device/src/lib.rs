//! The seams between the application and a machine: narrow traits for the network, a block device, clocks and
//! randomness. `host` implements them with an ordinary operating system, `libos` without one, and [`sim`] in memory.
//! [`manifest`] is how a program for `libos` says which of them it needs.

mod block;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod ethernet;
mod flow;
#[cfg(feature = "image")]
pub mod image;
pub mod manifest;
mod place;
mod random;
pub mod sim;

pub use block::Block;
pub use clock::{Clock, Timestamp};
pub use ethernet::Ethernet;
pub use flow::{Flow, Listener, Peer, Stack};
pub use place::{Place, PlaceError};
pub use random::{NoEntropy, Random};
