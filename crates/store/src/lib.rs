//! What a paste store promises, its conformance suite, and the embedded store over any block device.

#[cfg(feature = "conformance")]
pub mod conformance;
mod embedded;
mod error;
mod record;
mod traits;

pub use embedded::{Audit, Embedded, EmbeddedReader, EmbeddedUpload, Options, catches_panics};
pub use error::{Error, Result};
pub use record::{Claim, NewPaste, Record, State, Swept, Usage};
pub use traits::{Reader, Store, Upload};
