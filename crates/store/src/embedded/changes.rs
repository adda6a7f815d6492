//! What a transaction did to the tables, as bytes: for the journal, and back.
//!
//! A change is a byte that says which, a key of that table's length, and where it puts a value, its length (u32,
//! little-endian) and the value. All are absolute, so that doing them twice is as doing them once.

use redb::{StorageError, Table};

use super::format::{Tables, Totals};

const PASTE: u8 = 1;
const NO_PASTE: u8 = 2;
const DUE: u8 = 3;
const NOT_DUE: u8 = 4;
const ORPHAN: u8 = 5;
const NO_ORPHAN: u8 = 6;
const PIECE: u8 = 7;
const TOTALS: u8 = 8;

/// Changes in their order.
#[derive(Debug, Default)]
pub(super) struct Changes(pub(super) Vec<u8>);

impl Changes {
    fn add(&mut self, kind: u8, key: &[u8]) {
        self.0.push(kind);
        self.0.extend_from_slice(key);
    }

    fn add_value(&mut self, kind: u8, key: &[u8], value: &[u8]) {
        self.add(kind, key);
        // A row and a piece that is logged are far shorter than this can say.
        self.0.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.0.extend_from_slice(value);
    }

    pub(super) fn paste(&mut self, key: &[u8; 12], row: Option<&[u8]>) {
        match row {
            Some(row) => self.add_value(PASTE, key, row),
            None => self.add(NO_PASTE, key),
        }
    }

    pub(super) fn due(&mut self, key: &[u8; 20], there: bool) {
        self.add(if there { DUE } else { NOT_DUE }, key);
    }

    pub(super) fn orphan(&mut self, upload: u64, there: bool) {
        self.add(if there { ORPHAN } else { NO_ORPHAN }, &upload.to_le_bytes());
    }

    pub(super) fn piece(&mut self, key: &[u8; 16], data: &[u8]) {
        self.add_value(PIECE, key, data);
    }

    pub(super) fn totals(&mut self, totals: Totals) {
        self.add(TOTALS, &totals.pastes.to_le_bytes());
        self.0.extend_from_slice(&totals.bytes.to_le_bytes());
    }
}

impl Tables<'_> {
    /// Does `changes` again.
    ///
    /// # Errors
    /// `None` where they are not what [`Changes`] writes.
    pub(super) fn redo(&mut self, mut changes: &[u8]) -> Result<(), Option<StorageError>> {
        while let Some((kind, rest)) = changes.split_first() {
            changes = rest;
            self.redo_one(*kind, &mut changes)?;
        }
        Ok(())
    }

    fn redo_one(&mut self, kind: u8, rest: &mut &[u8]) -> Result<(), Option<StorageError>> {
        match kind {
            PASTE => put(&mut self.pastes, &take(rest)?, value(rest)?)?,
            NO_PASTE => drop(self.pastes.remove(&take(rest)?)?),
            DUE => drop(self.due.insert(&take(rest)?, ())?),
            NOT_DUE => drop(self.due.remove(&take(rest)?)?),
            ORPHAN => drop(self.orphans.insert(u64::from_le_bytes(take(rest)?), ())?),
            NO_ORPHAN => drop(self.orphans.remove(u64::from_le_bytes(take(rest)?))?),
            PIECE => put(&mut self.pieces, &take(rest)?, value(rest)?)?,
            TOTALS => {
                let (pastes, bytes) = (u64::from_le_bytes(take(rest)?), u64::from_le_bytes(take(rest)?));
                self.set_totals(Totals { pastes, bytes })?;
            }
            _ => return Err(None),
        }
        Ok(())
    }
}

fn put<const N: usize>(
    table: &mut Table<'_, &'static [u8; N], &'static [u8]>,
    key: &[u8; N],
    value: &[u8],
) -> Result<(), StorageError> {
    table.insert(key, value).map(drop)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Option<StorageError>> {
    let (taken, left) = rest.split_first_chunk::<N>().ok_or(None)?;
    *rest = left;
    Ok(*taken)
}

fn value<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Option<StorageError>> {
    let len = u32::from_le_bytes(take(rest)?);
    let (value, left) = rest.split_at_checked(usize::try_from(len).map_err(|_| None)?).ok_or(None)?;
    *rest = left;
    Ok(value)
}
