//! The embedded store's tables, and how they are opened (docs/store.md).

use api::Id;
use device::{Block, Timestamp};
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError, WriteTransaction};

use super::fault::{Fault, damaged};
use super::journal::{self, Round};
use crate::Error;

/// The format of a store that is whole by itself. It changes with the tables or the rows; redb's file format has a
/// version of its own.
const WHOLE: u64 = 1;
/// The format of a store whose newest changes are in its journal, so that a program that knows none leaves it alone.
const JOURNALED: u64 = 2;

/// `format` is [`WHOLE`] or [`JOURNALED`], then with its journal's label and round; `pastes` and `bytes` count what `pastes` holds.
pub(super) const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
/// Id to row.
pub(super) const PASTES: TableDefinition<'static, &[u8; 12], &[u8]> = TableDefinition::new("pastes");
/// Upload number and offset, both big-endian, to content.
pub(super) const PIECES: TableDefinition<'static, &[u8; 16], &[u8]> = TableDefinition::new("pieces");
/// Seconds since 1970, big-endian, and id, of each row that has to change by itself at that time.
pub(super) const DUE: TableDefinition<'static, &[u8; 20], ()> = TableDefinition::new("due");
/// Numbers of the uploads whose pieces belong to no paste: under way, abandoned, or of a removed paste.
pub(super) const ORPHANS: TableDefinition<'static, u64, ()> = TableDefinition::new("orphans");

const FORMAT: &str = "format";
const COUNT: &str = "pastes";
const BYTES: &str = "bytes";
const JOURNAL: &str = "journal";
const ROUND: &str = "round";

/// The longest piece: with its key and redb's bookkeeping it fills a page of 1 MiB.
pub(super) const PIECE: usize = (1 << 20) - PAGE_OVERHEAD;
/// The longest content that is kept in its row.
pub(super) const INLINE: usize = 8 * 1024;
/// What redb adds to a piece in a page of its own (its leaf's header, one key and one offset), rounded up.
const PAGE_OVERHEAD: usize = 64;
/// redb's smallest page.
const PAGE: usize = 4096;

/// What the store holds, as `meta` counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) pastes: u64,
    pub(super) bytes: u64,
}

/// The tables of one write transaction.
pub(super) struct Tables<'txn> {
    pub(super) meta: Table<'txn, &'static str, u64>,
    pub(super) pastes: Table<'txn, &'static [u8; 12], &'static [u8]>,
    pub(super) pieces: Table<'txn, &'static [u8; 16], &'static [u8]>,
    pub(super) due: Table<'txn, &'static [u8; 20], ()>,
    pub(super) orphans: Table<'txn, u64, ()>,
}

impl<'txn> Tables<'txn> {
    pub(super) fn open(txn: &'txn WriteTransaction) -> Result<Self, TableError> {
        Ok(Self {
            meta: txn.open_table(META)?,
            pastes: txn.open_table(PASTES)?,
            pieces: txn.open_table(PIECES)?,
            due: txn.open_table(DUE)?,
            orphans: txn.open_table(ORPHANS)?,
        })
    }

    pub(super) fn set_totals(&mut self, totals: Totals) -> Result<(), redb::StorageError> {
        self.meta.insert(COUNT, totals.pastes)?;
        self.meta.insert(BYTES, totals.bytes)?;
        Ok(())
    }

    /// Begins a round of the journal, or, with `None`, says that no journal is needed.
    pub(super) fn set_round(&mut self, round: Option<Round>) -> Result<(), redb::StorageError> {
        self.meta.insert(FORMAT, if round.is_some() { JOURNALED } else { WHOLE })?;
        if let Some(Round { journal, number }) = round {
            self.meta.insert(JOURNAL, journal)?;
            self.meta.insert(ROUND, number)?;
        } else {
            self.meta.remove(JOURNAL)?;
            self.meta.remove(ROUND)?;
        }
        Ok(())
    }
}

/// What is found in a store that is opened.
pub(super) struct Found {
    pub(super) totals: Totals,
    /// Uploads whose pieces have to go.
    pub(super) orphans: Vec<u64>,
    /// A number that no upload has.
    pub(super) next_upload: u64,
}

/// Makes all of it durable, and the database whole without its journal.
pub(super) fn make_whole(db: &Database) -> Result<(), Fault> {
    let mut txn = db.begin_write()?;
    txn.set_quick_repair(true);
    Tables::open(&txn)?.set_round(None)?;
    Ok(txn.commit()?)
}

/// Writes the tables into a database that holds none, or checks that they are this version's.
pub(super) fn prepare(db: &Database, journal: Option<&dyn Block>) -> Result<Found, Fault> {
    if db.begin_read()?.list_tables()?.next().is_none() {
        let txn = db.begin_write()?;
        let mut tables = Tables::open(&txn)?;
        tables.set_round(None)?;
        tables.set_totals(Totals::default())?;
        drop(tables);
        txn.commit()?;
    }
    if let Some(round) = round(db)? {
        let Some(journal) = journal else {
            return Err(format("its newest changes are in its journal, which is not there"));
        };
        let mut txn = db.begin_write()?;
        txn.set_quick_repair(true);
        journal::replay(journal, round, &txn)?;
        Tables::open(&txn)?.set_round(None)?;
        txn.commit()?;
    }
    let txn = db.begin_read()?;
    let meta = txn.open_table(META)?;
    let totals = totals(&meta)?;
    let table = txn.open_table(ORPHANS)?;
    let orphans = table.iter()?.map(|row| Ok(row?.0.value())).collect::<Result<Vec<_>, Fault>>()?;
    let last_piece = txn.open_table(PIECES)?.last()?.map(|(key, _)| upload_of(key.value()));
    let next_upload = last_piece.max(orphans.last().copied()).map_or(0, |n| n.saturating_add(1));
    txn.open_table(PASTES)?;
    txn.open_table(DUE)?;
    Ok(Found { totals, orphans, next_upload })
}

/// The journal's round that the store needs, if it needs one; otherwise an error where this is no store.
fn round(db: &Database) -> Result<Option<Round>, Fault> {
    let txn = db.begin_read()?;
    let meta = match txn.open_table(META) {
        Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => {
            return Err(format("it is a redb database, but not a paste store"));
        }
        other => other?,
    };
    match meta.get(FORMAT)?.map(|n| n.value()) {
        Some(WHOLE) => Ok(None),
        Some(JOURNALED) => {
            let number = |key| -> Result<u64, Fault> {
                Ok(meta.get(key)?.ok_or_else(|| damaged("what it says of its journal is not whole"))?.value())
            };
            Ok(Some(Round { journal: number(JOURNAL)?, number: number(ROUND)? }))
        }
        Some(other) => {
            Err(format(&format!("it has format {other}, and this program knows format {WHOLE} and format {JOURNALED}")))
        }
        None => Err(format("it is a redb database, but not a paste store")),
    }
}

/// What `meta` says that is stored.
pub(super) fn totals(meta: &impl ReadableTable<&'static str, u64>) -> Result<Totals, Fault> {
    let number =
        |key| -> Result<u64, Fault> { Ok(meta.get(key)?.ok_or_else(|| damaged("the totals are missing"))?.value()) };
    Ok(Totals { pastes: number(COUNT)?, bytes: number(BYTES)? })
}

fn format(what: &str) -> Fault {
    Fault(Error::Format(what.to_owned()))
}

pub(super) fn paste_key(id: &Id) -> [u8; 12] {
    let mut key = [0; 12];
    key.copy_from_slice(id.as_str().as_bytes());
    key
}

pub(super) fn due_key(at: Timestamp, id: &[u8; 12]) -> [u8; 20] {
    let mut key = [0; 20];
    key[..8].copy_from_slice(&at.0.to_be_bytes());
    key[8..].copy_from_slice(id);
    key
}

pub(super) fn split_due(key: &[u8; 20]) -> (Timestamp, [u8; 12]) {
    let (mut at, mut id) = ([0; 8], [0; 12]);
    at.copy_from_slice(&key[..8]);
    id.copy_from_slice(&key[8..]);
    (Timestamp(u64::from_be_bytes(at)), id)
}

pub(super) fn piece_key(upload: u64, offset: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&upload.to_be_bytes());
    key[8..].copy_from_slice(&offset.to_be_bytes());
    key
}

pub(super) fn upload_of(key: &[u8; 16]) -> u64 {
    let mut half = [0; 8];
    half.copy_from_slice(&key[..8]);
    u64::from_be_bytes(half)
}

pub(super) fn offset_of(key: &[u8; 16]) -> u64 {
    let mut half = [0; 8];
    half.copy_from_slice(&key[8..]);
    u64::from_be_bytes(half)
}

/// The length of the next piece where `rest` bytes are left. redb's pages are powers of two: the end of a content is
/// cut so that at most an eighth of a page is lost.
pub(super) fn piece_len(rest: usize) -> usize {
    if rest >= PIECE || rest + PAGE_OVERHEAD <= PAGE {
        return rest.min(PIECE);
    }
    let page = (rest + PAGE_OVERHEAD).next_power_of_two();
    if page - rest <= page / 8 { rest } else { page / 2 - PAGE_OVERHEAD }
}

/// The longest piece that fills its page and has at most `len` bytes; `len` is [`PAGE`] or more.
pub(super) fn full_piece(len: usize) -> usize {
    let page = (len + PAGE_OVERHEAD).next_power_of_two();
    if page == len + PAGE_OVERHEAD { len } else { (page / 2).saturating_sub(PAGE_OVERHEAD) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_pieces_fill_their_page() {
        for len in (PAGE..PIECE).step_by(777).chain([PIECE - 1, PIECE]) {
            let piece = full_piece(len);
            assert!(piece <= len && piece > len / 2 - PAGE_OVERHEAD && (piece + PAGE_OVERHEAD).is_power_of_two());
        }
        assert_eq!(full_piece(PIECE), PIECE);
    }

    #[test]
    fn pieces_fill_their_pages() {
        for len in (1..3000).chain((1..40).map(|n| n * 77_777)).chain([PIECE - 1, PIECE, PIECE + 1]) {
            let (mut rest, mut pages, mut pieces) = (len, 0, 0);
            while rest > 0 {
                let piece = piece_len(rest);
                assert!((1..=PIECE).contains(&piece), "{len}: {piece}");
                pages += (piece + PAGE_OVERHEAD).next_power_of_two().max(PAGE);
                pieces += 1;
                rest -= piece;
            }
            assert!(pages <= len + len / 7 + PAGE + 64 * pieces, "{len} bytes take {pages}");
        }
    }
}
