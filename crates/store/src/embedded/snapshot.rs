//! Reads: one committed state of the tables, shared by every reader until the next commit.

use api::Id;
use bytes::Bytes;
use device::Timestamp;
use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable};

use super::fault::{Fault, damaged};
use super::format::{DUE, META, ORPHANS, PASTES, PIECES, offset_of, paste_key, piece_key, upload_of};
use super::row::{Body, Paste, Row};
use crate::{Error, Result};

/// An outcome: a fault of the database, or the caller's answer.
type Outcome<T> = std::result::Result<Result<T>, Fault>;

/// A committed state. Opening it once a commit rather than once a read spares each read four look-ups; it holds
/// back the reuse of freed pages until the next commit replaces it.
pub(super) struct Snapshot {
    pub(super) generation: u64,
    pub(super) meta: ReadOnlyTable<&'static str, u64>,
    pub(super) pastes: ReadOnlyTable<&'static [u8; 12], &'static [u8]>,
    pub(super) pieces: ReadOnlyTable<&'static [u8; 16], &'static [u8]>,
    pub(super) due: ReadOnlyTable<&'static [u8; 20], ()>,
    pub(super) orphans: ReadOnlyTable<u64, ()>,
}

/// Where the content that a reader wants is.
pub(super) enum Source {
    /// Here it is.
    Inline(Bytes),
    /// In this upload's pieces; the content has this many bytes.
    Pieces { upload: u64, size: u64 },
}

impl Snapshot {
    pub(super) fn take(db: &Database, generation: u64) -> std::result::Result<Self, Fault> {
        let txn = db.begin_read()?;
        Ok(Self {
            generation,
            meta: txn.open_table(META)?,
            pastes: txn.open_table(PASTES)?,
            pieces: txn.open_table(PIECES)?,
            due: txn.open_table(DUE)?,
            orphans: txn.open_table(ORPHANS)?,
        })
    }

    /// Whether there is a row of that key, whatever it says.
    pub(super) fn has(&self, key: &[u8; 12]) -> std::result::Result<bool, Fault> {
        Ok(self.pastes.get(key)?.is_some())
    }

    /// What `f` makes of the paste, where it can be seen at `now`.
    pub(super) fn with<T>(&self, id: &Id, now: Timestamp, f: impl FnOnce(&Paste<'_>) -> T) -> Outcome<T> {
        let Some(row) = self.pastes.get(&paste_key(id))? else { return Ok(Err(Error::NotFound)) };
        visible(row.value(), now, f)
    }

    /// The content of `upload` from `start` on: up to `end`, the piece's end. `None` where there is no such piece.
    pub(super) fn piece(&self, upload: u64, start: u64, end: u64) -> std::result::Result<Option<Bytes>, Fault> {
        let Some(row) = self.pieces.range::<&[u8; 16]>(..=&piece_key(upload, start))?.next_back() else {
            return Ok(None);
        };
        let (key, value) = row?;
        let (key, value) = (key.value(), value.value());
        if upload_of(key) != upload {
            return Ok(None);
        }
        let offset = offset_of(key);
        let skip = usize::try_from(start - offset).unwrap_or(usize::MAX);
        let Some(rest) = value.get(skip..).filter(|rest| !rest.is_empty()) else { return Ok(None) };
        let wanted = usize::try_from(end - start).unwrap_or(usize::MAX).min(rest.len());
        Ok(Some(Bytes::copy_from_slice(&rest[..wanted])))
    }

    /// Whether something is due at `now`.
    pub(super) fn is_due(&self, now: Timestamp) -> std::result::Result<bool, Fault> {
        Ok(self.due.first()?.is_some_and(|(key, _)| super::format::split_due(key.value()).0 <= now))
    }
}

impl Source {
    pub(super) fn of(paste: &Paste<'_>) -> Self {
        match paste.body {
            Body::Inline(content) => Self::Inline(Bytes::copy_from_slice(content)),
            Body::Pieces(upload) => Self::Pieces { upload, size: paste.size },
        }
    }
}

/// What `f` makes of the paste that `row` says, where it can be seen at `now`.
pub(super) fn visible<T>(row: &[u8], now: Timestamp, f: impl FnOnce(&Paste<'_>) -> T) -> Outcome<T> {
    let row = Row::decode(row).ok_or_else(|| damaged("a paste's row cannot be read"))?;
    Ok(row.visible(now).map(f))
}
