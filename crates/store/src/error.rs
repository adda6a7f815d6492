//! What can go wrong in a store.

use thiserror::Error as ThisError;

/// A store's answer.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong in a store. None of these harms what is stored.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// No such paste, or one that expired: the same answer.
    #[error("there is no such paste")]
    NotFound,
    /// The paste was burnt: it was read by its one reader, or its lease ended.
    #[error("the paste was burnt")]
    Burnt,
    /// Somebody else has claimed the paste.
    #[error("the paste is claimed by another reader")]
    Claimed,
    /// The id is taken.
    #[error("the id is taken")]
    Exists,
    /// The store's quota is used up.
    #[error("the store is full: its quota of {quota} bytes is used up")]
    Quota {
        /// The quota in bytes.
        quota: u64,
    },
    /// The device has no room.
    #[error("the store's device is full")]
    Full,
    /// The device holds something else, or another version's store.
    #[error("not a store this version can open: {0}")]
    Format(String),
    /// The device holds a store that is damaged.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Another process has the store open.
    #[error("the store is in use by another process")]
    Locked,
    /// The device failed.
    #[error("the store's device failed: {0}")]
    Io(#[from] std::io::Error),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}
