//! The machine's cryptographic random numbers.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// A cryptographically secure source of random bytes.
pub trait Random: Send + Sync + 'static {
    /// Fills `out`.
    ///
    /// # Errors
    /// [`NoEntropy`]; nothing in `out` may then be used.
    fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy>;
}

impl<T: Random + ?Sized> Random for Arc<T> {
    fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy> {
        (**self).fill(out)
    }
}

/// The machine has no secure randomness to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEntropy;

impl fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the machine has no source of secure random numbers")
    }
}

impl Error for NoEntropy {}
