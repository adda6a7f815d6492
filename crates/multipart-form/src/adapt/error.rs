//! A form that could not be read: its own fault, or its source's.

use core::fmt;

use crate::error::Error;

/// Why a form could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError<E> {
    /// The form's fault.
    Form(Error),
    /// The source's.
    Source(E),
}

impl<E> From<Error> for ReadError<E> {
    fn from(error: Error) -> Self {
        Self::Form(error)
    }
}

impl<E: fmt::Display> fmt::Display for ReadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(error) => error.fmt(f),
            Self::Source(error) => write!(f, "the form's source failed: {error}"),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for ReadError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Form(_) => None,
            Self::Source(error) => Some(error),
        }
    }
}

#[cfg(feature = "std")]
impl From<ReadError<std::io::Error>> for std::io::Error {
    fn from(error: ReadError<std::io::Error>) -> Self {
        match error {
            ReadError::Form(error) => Self::new(std::io::ErrorKind::InvalidData, error),
            ReadError::Source(error) => error,
        }
    }
}
