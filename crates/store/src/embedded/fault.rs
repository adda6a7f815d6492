//! redb's errors as a store's.
//!
//! A [`Fault`] is a failure of redb or of the device under it: the database cannot be trusted any more and is opened
//! anew. An [`Error`] by itself is an answer, such as `NotFound`.

use std::io;

use redb::{CommitError, DatabaseError, SetDurabilityError, StorageError, TableError, TransactionError};

use crate::Error;

/// What redb or the device failed with.
#[derive(Debug)]
pub(super) struct Fault(pub(super) Error);

pub(super) fn damaged(what: &str) -> Fault {
    Fault(Error::Damaged(what.to_owned()))
}

/// The same error again, for another caller whose job failed with it.
pub(super) fn again(error: &Error) -> Error {
    match error {
        Error::NotFound => Error::NotFound,
        Error::Burnt => Error::Burnt,
        Error::Claimed => Error::Claimed,
        Error::Exists => Error::Exists,
        Error::Quota { quota } => Error::Quota { quota: *quota },
        Error::Full => Error::Full,
        Error::Format(what) => Error::Format(what.clone()),
        Error::Damaged(what) => Error::Damaged(what.clone()),
        Error::Locked => Error::Locked,
        Error::Io(e) => Error::Io(io::Error::new(e.kind(), e.to_string())),
        Error::Closed => Error::Closed,
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        Self(match error {
            StorageError::Io(e) => match e.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Error::Full,
                io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy => Error::Locked,
                _ => Error::Io(e),
            },
            StorageError::Corrupted(what) => Error::Damaged(what),
            other => Error::Io(io::Error::other(other.to_string())),
        })
    }
}

impl From<DatabaseError> for Fault {
    fn from(error: DatabaseError) -> Self {
        Self(match error {
            DatabaseError::DatabaseAlreadyOpen => Error::Locked,
            DatabaseError::UpgradeRequired(version) => {
                Error::Format(format!("it has redb's file format {version}, which this program does not know"))
            }
            DatabaseError::Storage(StorageError::Io(e)) if e.kind() == io::ErrorKind::InvalidData => {
                Error::Format("it holds something other than a paste store".to_owned())
            }
            DatabaseError::Storage(StorageError::Io(e)) if e.kind() == io::ErrorKind::UnexpectedEof => {
                Error::Damaged("it is cut short".to_owned())
            }
            DatabaseError::Storage(e) => return e.into(),
            other => Error::Io(io::Error::other(other.to_string())),
        })
    }
}

impl From<TransactionError> for Fault {
    fn from(error: TransactionError) -> Self {
        Self(match error {
            TransactionError::Storage(e) => return e.into(),
            other => Error::Io(io::Error::other(other.to_string())),
        })
    }
}

impl From<TableError> for Fault {
    fn from(error: TableError) -> Self {
        Self(match error {
            TableError::Storage(e) => return e.into(),
            other => Error::Damaged(other.to_string()),
        })
    }
}

impl From<CommitError> for Fault {
    fn from(error: CommitError) -> Self {
        Self(match error {
            CommitError::Storage(e) => return e.into(),
            other => Error::Io(io::Error::other(other.to_string())),
        })
    }
}

impl From<SetDurabilityError> for Fault {
    fn from(error: SetDurabilityError) -> Self {
        Self(Error::Io(io::Error::other(error.to_string())))
    }
}
