//! Adapters: forms read from, and written to, what others call a stream of bytes. Each is a thin layer over the core.

mod error;
#[cfg(feature = "std")]
mod read;
#[cfg(feature = "std")]
mod send;
#[cfg(feature = "stream")]
mod stream;

pub use error::ReadError;
#[cfg(feature = "std")]
pub use read::{ReadField, ReadForm};
#[cfg(feature = "stream")]
pub use send::FormStream;
#[cfg(feature = "std")]
pub use send::{FormBuilder, FormReader};
#[cfg(feature = "stream")]
pub use stream::*;
