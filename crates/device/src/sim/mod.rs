//! Fakes of the seams, in memory and under a test's control: a disk that loses power, a clock turned by hand, and
//! randomness that repeats itself. Whatever they do follows from what a test asks for and from its seed.

mod block;
mod clock;
mod random;

pub use block::{Cut, SECTOR, SimBlock, Unflushed};
pub use clock::SimClock;
pub use random::SimRandom;
