//! What each task does to the tables. Nothing here outlives the transaction but what it says in [`Effects`].

use api::Id;
use bytes::Bytes;
use device::Timestamp;
use redb::{ReadableTable, StorageError};

use super::changes::Changes;
use super::fault::{Fault, damaged};
use super::format::{INLINE, Tables, Totals, due_key, paste_key, piece_key, piece_len, split_due};
use super::row::{Body, Paste, Row};
use super::task::{Change, Piece, Publish, Sweep, Undo};
use crate::{Claim, Error, Result};

/// Rows that one sweep task looks at, so that other tasks get their turn.
const SWEEP_ROWS: usize = 256;

/// An outcome: a fault of the database, or the caller's answer.
pub(super) type Outcome<T> = std::result::Result<Result<T>, Fault>;

/// What becomes true outside of the tables once the transaction is committed.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Bytes that removed pastes give back.
    pub(super) released: u64,
    /// Uploads whose pieces belong to nobody now.
    pub(super) orphans: Vec<u64>,
    /// What was done to the tables, but for pieces of uploads under way, and pieces taken out: a crash may undo these.
    pub(super) changes: Changes,
}

/// A write transaction's tables, and what is to be done when it is committed.
pub(super) struct Ledgered<'txn> {
    pub(super) tables: Tables<'txn>,
    pub(super) totals: Totals,
    pub(super) effects: Effects,
    pub(super) now: Timestamp,
    /// The database's generation: pieces of another may be lost.
    pub(super) generation: u64,
}

impl Ledgered<'_> {
    pub(super) fn piece(&mut self, piece: &Piece) -> Outcome<()> {
        match piece.generation {
            None => {
                self.tables.orphans.insert(piece.upload, ())?;
            }
            Some(generation) if generation != self.generation => return Ok(Err(lost())),
            Some(_) => {}
        }
        self.insert_piece(&piece_key(piece.upload, piece.offset), &piece.data)?;
        Ok(Ok(()))
    }

    pub(super) fn publish(&mut self, publish: &Publish) -> Outcome<()> {
        let Publish { ticket, tail, paste, created_at } = publish;
        let key = paste_key(&paste.id);
        if self.tables.pastes.get(&key)?.is_some() {
            return Ok(Err(Error::Exists));
        }
        if ticket.generation.is_some_and(|g| g != self.generation) {
            return Ok(Err(lost()));
        }
        let body = if ticket.stored == 0 && tail.len() <= INLINE {
            Body::Inline(tail)
        } else {
            self.insert_tail(ticket.upload, ticket.stored, tail)?;
            self.tables.orphans.remove(ticket.upload)?;
            self.effects.changes.orphan(ticket.upload, false);
            Body::Pieces(ticket.upload)
        };
        let row = Row::Paste(Paste {
            burn: paste.burn,
            read_hash: paste.read_hash,
            delete_hash: paste.delete_hash,
            created_at: *created_at,
            expires_at: paste.expires_at,
            claim: None,
            size: ticket.size,
            header: &paste.header,
            body,
        });
        self.put_paste(&key, &row)?;
        self.move_due(&key, None, row.due())?;
        self.totals.pastes += 1;
        self.totals.bytes += ticket.size;
        Ok(Ok(()))
    }

    pub(super) fn change(&mut self, id: &Id, change: &Change) -> Outcome<()> {
        let key = paste_key(id);
        let Some(old) = self.tables.pastes.get(&key)?.map(|row| Bytes::copy_from_slice(row.value())) else {
            return Ok(Err(Error::NotFound));
        };
        let Some(old) = Row::decode(&old) else { return Ok(Err(damaged("a paste's row cannot be read").0)) };
        let paste = match old.visible(self.now) {
            Ok(paste) => *paste,
            Err(e) => return Ok(Err(e)),
        };
        let new = match (change, paste.claim) {
            (Change::Claim(_), Some(_)) => return Ok(Err(Error::Claimed)),
            (Change::Claim(claim), None) => Row::Paste(Paste { claim: Some(*claim), ..paste }),
            (Change::Renew { lease_hash, until }, Some(claim)) if claim.lease_hash == *lease_hash => {
                Row::Paste(Paste { claim: Some(Claim { until: *until, ..claim }), ..paste })
            }
            (Change::Renew { .. }, _) => return Ok(Err(Error::Claimed)),
            (Change::Delete, _) => {
                self.release(&paste)?;
                self.remove_paste(&key)?;
                self.move_due(&key, old.due(), None)?;
                return Ok(Ok(()));
            }
            (Change::Burn, _) => {
                self.release(&paste)?;
                Row::Burnt(paste.tombstone(self.now))
            }
        };
        self.put_paste(&key, &new)?;
        self.move_due(&key, old.due(), new.due())?;
        Ok(Ok(()))
    }

    pub(super) fn sweep(&mut self) -> std::result::Result<Sweep, Fault> {
        let end = due_key(self.now.after(1), &[0; 12]);
        let mut due = Vec::new();
        for row in self.tables.due.range::<&[u8; 20]>(..&end)?.take(SWEEP_ROWS) {
            due.push(*row?.0.value());
        }
        let mut done = Sweep { more: due.len() == SWEEP_ROWS, rows: due.len(), ..Sweep::default() };
        for due in due {
            let (at, key) = split_due(&due);
            self.set_due(&due, false)?;
            let old = self.tables.pastes.get(&key)?.map(|row| Bytes::copy_from_slice(row.value()));
            // One damaged row must not keep all others from being swept.
            let Some(old) = old.as_deref().and_then(Row::decode) else { continue };
            let Row::Paste(paste) = &old else {
                self.remove_paste(&key)?;
                continue;
            };
            self.release(paste)?;
            done.swept.bytes += paste.size;
            let tombstone = paste.tombstone(at);
            if paste.expires_at.is_some_and(|t| t <= at) {
                done.swept.expired += 1;
            } else {
                done.swept.burnt += 1;
            }
            if tombstone <= self.now {
                self.remove_paste(&key)?;
            } else {
                let new = Row::Burnt(tombstone);
                self.put_paste(&key, &new)?;
                self.move_due(&key, None, new.due())?;
            }
        }
        Ok(done)
    }

    /// Takes back what was done; says whether it had been.
    pub(super) fn undo(&mut self, undo: &Undo) -> std::result::Result<bool, Fault> {
        let (Undo::Publish { id, .. } | Undo::Claim { id, .. }) = undo;
        let key = paste_key(id);
        let Some(old) = self.tables.pastes.get(&key)?.map(|row| Bytes::copy_from_slice(row.value())) else {
            return Ok(false);
        };
        let Some(old) = Row::decode(&old) else { return Ok(false) };
        match (undo, &old) {
            (Undo::Publish { delete_hash, .. }, Row::Paste(paste)) if paste.delete_hash == *delete_hash => {
                self.release(paste)?;
                self.remove_paste(&key)?;
                self.move_due(&key, old.due(), None)?;
            }
            (Undo::Claim { lease_hash, .. }, Row::Paste(paste))
                if paste.claim.is_some_and(|claim| claim.lease_hash == *lease_hash) =>
            {
                let new = Row::Paste(Paste { claim: None, ..*paste });
                self.put_paste(&key, &new)?;
                self.move_due(&key, old.due(), new.due())?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Removes up to `limit` pieces of an upload that belongs to nobody; says how many, and whether that was all.
    pub(super) fn reap(&mut self, upload: u64, limit: usize) -> std::result::Result<(usize, bool), Fault> {
        // An upload whose publication seemed to fail may have become a paste after all.
        if self.tables.orphans.get(upload)?.is_none() {
            return Ok((0, true));
        }
        let mut keys = Vec::new();
        let range = self.tables.pieces.range::<&[u8; 16]>(&piece_key(upload, 0)..=&piece_key(upload, u64::MAX))?;
        for row in range.take(limit) {
            keys.push(*row?.0.value());
        }
        for key in &keys {
            self.tables.pieces.remove(key)?;
        }
        let all = keys.len() < limit;
        if all {
            self.tables.orphans.remove(upload)?;
        }
        Ok((keys.len(), all))
    }

    fn insert_tail(&mut self, upload: u64, mut offset: u64, tail: &Bytes) -> std::result::Result<(), StorageError> {
        let mut rest = tail.clone();
        while !rest.is_empty() {
            let piece = rest.split_to(piece_len(rest.len()));
            let key = piece_key(upload, offset);
            self.insert_piece(&key, &piece)?;
            self.effects.changes.piece(&key, &piece);
            offset += piece.len() as u64;
        }
        Ok(())
    }

    fn insert_piece(&mut self, key: &[u8; 16], data: &[u8]) -> std::result::Result<(), StorageError> {
        self.tables.pieces.insert_reserve(key, data.len())?.as_mut().copy_from_slice(data);
        Ok(())
    }

    fn put_paste(&mut self, key: &[u8; 12], row: &Row<'_>) -> std::result::Result<(), StorageError> {
        let row = row.encode();
        self.tables.pastes.insert(key, row.as_slice())?;
        self.effects.changes.paste(key, Some(&row));
        Ok(())
    }

    fn remove_paste(&mut self, key: &[u8; 12]) -> std::result::Result<(), StorageError> {
        self.tables.pastes.remove(key)?;
        self.effects.changes.paste(key, None);
        Ok(())
    }

    fn set_due(&mut self, key: &[u8; 20], there: bool) -> std::result::Result<(), StorageError> {
        if there {
            self.tables.due.insert(key, ())?;
        } else {
            self.tables.due.remove(key)?;
        }
        self.effects.changes.due(key, there);
        Ok(())
    }

    fn release(&mut self, paste: &Paste<'_>) -> std::result::Result<(), Fault> {
        let missing = || damaged("the totals are less than what is stored");
        self.totals.pastes = self.totals.pastes.checked_sub(1).ok_or_else(missing)?;
        self.totals.bytes = self.totals.bytes.checked_sub(paste.size).ok_or_else(missing)?;
        self.effects.released += paste.size;
        if let Body::Pieces(upload) = paste.body {
            self.tables.orphans.insert(upload, ())?;
            self.effects.changes.orphan(upload, true);
            self.effects.orphans.push(upload);
        }
        Ok(())
    }

    fn move_due(
        &mut self,
        key: &[u8; 12],
        old: Option<Timestamp>,
        new: Option<Timestamp>,
    ) -> std::result::Result<(), StorageError> {
        if old == new {
            return Ok(());
        }
        if let Some(old) = old {
            self.set_due(&due_key(old, key), false)?;
        }
        if let Some(new) = new {
            self.set_due(&due_key(new, key), true)?;
        }
        Ok(())
    }
}

/// The error of an upload whose pieces went with a database that failed.
fn lost() -> Error {
    Error::Io(std::io::Error::other("the device failed while the upload was under way"))
}
