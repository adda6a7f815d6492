//! Fakes of the seams, in memory and under a test's control: a disk that loses power, a clock turned by hand,
//! randomness that repeats itself, and a network whose flows break. Whatever they do follows from what a test asks for and from its seed.

mod block;
mod clock;
mod net;
mod random;

pub use block::{Cut, SECTOR, SimBlock, Unflushed};
pub use clock::SimClock;
pub use net::{Delay, SimEthernet, SimFlow, SimListener, SimStack, Sleep, Trouble, WireTrouble};
pub use random::SimRandom;
#[cfg(feature = "conformance")]
pub(crate) use random::split_mix;
