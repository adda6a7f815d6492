//! The ordinary machine's world: sockets, files, clock and entropy, as the seams of `device` want them.

mod clock;
mod entropy;
mod file;
mod process;
mod sockets;
#[cfg(feature = "tap")]
mod tap;

pub use clock::SystemClock;
pub use entropy::Entropy;
pub use file::FileBlock;
pub use process::{Hangups, Signals, memory, raise_descriptor_limit, runtime};
pub use sockets::{Listener, Socket, Sockets};
#[cfg(feature = "tap")]
pub use tap::Tap;
