//! The journal: what small commits did to the tables, in one row of bytes beside the database.
//!
//! The database writes a commit's pages wherever there is room, and a disk takes several times as long for scattered
//! pages as for the same bytes in a row. So a small commit is made durable by one record here, and stays in the
//! database's memory; the next commit that the database makes durable itself begins a new round, which makes all
//! records before it void. A round's number is in the database, so that the two change together.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::sync::Arc;

use device::Block;
use redb::WriteTransaction;
use sha2::{Digest, Sha256};

use super::fault::{Fault, damaged};
use super::format::Tables;
use crate::Error;

/// Bytes of records in one round.
pub(super) const CAPACITY: u64 = 16 << 20;
/// The longest content of a paste that is written to the journal: a longer one is written once, by the database.
pub(super) const LOGGED: usize = 64 << 10;
/// The longest record's changes: the database writes more of them in a row itself.
const RECORD: usize = 2 << 20;
/// Room that is left on the device beside a journal that is made.
const ROOM: u64 = 8 * CAPACITY;
/// A record's head: round, number and length (u64, little-endian), then SHA-256 of these and of the changes. A client
/// chooses most of what is in a record, and must not make a torn one seem whole.
const HEAD: usize = 24 + 32;
/// Records begin at such offsets, so that none shares a sector with one that is durable.
const ALIGN: u64 = 4096;
/// How a journal begins: this, then its label (u64, little-endian). Records begin at [`ALIGN`].
const MAGIC: &[u8; 16] = b"pasteur journal\n";
/// By how much a journal grows. Its bytes are written once before records are: a flush of a record then changes nothing
/// but the record.
const STEP: u64 = 256 << 10;

/// What the database says of its journal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// The journal's label.
    pub(super) journal: u64,
    pub(super) number: u64,
}

/// Writes records. It belongs to the writer's thread.
#[derive(Debug)]
pub(super) struct Journal {
    block: Arc<dyn Block>,
    label: u64,
    /// `None` until the database has begun a round, and after a failure.
    round: Option<u64>,
    number: u64,
    end: u64,
    /// The block's length.
    len: u64,
}

impl Journal {
    /// Makes `block` ready; `None` where there is little room.
    ///
    /// # Errors
    /// `Format` where the block holds something else, which is left as it is.
    pub(super) fn new(block: &Arc<dyn Block>) -> Result<Option<Self>, Fault> {
        let label = match label(block.as_ref()).map_err(redb::StorageError::Io)? {
            Found::Label(label) => label,
            Found::Nothing => Self::next_round(),
            Found::Other => return Err(Fault(Error::Format("its journal holds something else".to_owned()))),
        };
        let made = make(block.as_ref(), label).unwrap_or(None);
        // Without it, the database makes each commit durable.
        Ok(made.map(|len| Self { block: Arc::clone(block), label, round: None, number: 0, end: ALIGN, len }))
    }

    /// What tells this journal from others'.
    pub(super) fn label(&self) -> u64 {
        self.label
    }

    /// A number that no round has had.
    pub(super) fn next_round() -> u64 {
        // Not secret: it tells apart what this round wrote from what any other left.
        RandomState::new().build_hasher().finish()
    }

    /// The database has durably begun `round`: earlier records are void and are written over.
    pub(super) fn begin(&mut self, round: u64) {
        (self.round, self.number, self.end) = (Some(round), 0, ALIGN);
    }

    /// Takes no record until the next round.
    pub(super) fn stop(&mut self) {
        self.round = None;
    }

    /// Makes all records durable and takes no more: a database that is dropped may make durable what they say, and then
    /// none of them may be missing.
    pub(super) fn finish(&mut self) {
        self.round = None;
        // The next opening reads what is there; nothing that was answered is in doubt.
        let _ = self.block.flush();
    }

    /// Whether a record of `len` bytes can be appended in this round: the room for it is there then.
    pub(super) fn takes(&mut self, len: usize) -> bool {
        let end = self.end + ((HEAD + len) as u64).next_multiple_of(ALIGN);
        len <= RECORD && self.round.is_some() && end <= ALIGN + CAPACITY && self.grow(end).is_ok()
    }

    fn grow(&mut self, end: u64) -> io::Result<()> {
        if end > self.len {
            let len = end.next_multiple_of(STEP);
            self.block.write(self.len, &vec![0; usize::try_from(len - self.len).unwrap_or_default()])?;
            self.len = len;
        }
        Ok(())
    }

    /// Appends a record; with `durable`, it is so when this returns, with all records before it.
    ///
    /// # Errors
    /// What the block fails with. The record is in doubt then, and no other follows in this round.
    pub(super) fn append(&mut self, changes: &[u8], durable: bool) -> io::Result<()> {
        let Some(round) = self.round else { return Err(io::Error::other("the journal has no round")) };
        let mut record = vec![0; HEAD];
        record.extend_from_slice(changes);
        record[..8].copy_from_slice(&round.to_le_bytes());
        record[8..16].copy_from_slice(&self.number.to_le_bytes());
        record[16..24].copy_from_slice(&(changes.len() as u64).to_le_bytes());
        let sum = checksum(&record);
        record[24..HEAD].copy_from_slice(&sum);
        // A write of whole pages reads none before.
        record.resize(record.len().next_multiple_of(ALIGN as usize), 0);
        self.round = None;
        self.block.write(self.end, &record)?;
        if durable {
            self.block.flush()?;
        }
        self.round = Some(round);
        self.number += 1;
        self.end += record.len() as u64;
        Ok(())
    }
}

/// Does again what the records of `round` say, in their order, up to the first that is not whole.
///
/// # Errors
/// `Format` where `block` is not the journal with that label: its records would be missed by nobody.
pub(super) fn replay(block: &dyn Block, round: Round, txn: &WriteTransaction) -> Result<(), Fault> {
    let found = label(block).map_err(redb::StorageError::Io)?;
    if found != Found::Label(round.journal) {
        return Err(Fault(Error::Format("its newest changes are in its journal, and this is not it".to_owned())));
    }
    let round = round.number;
    let mut tables = Tables::open(txn)?;
    let (mut at, mut number) = (ALIGN, 0);
    let len = block.len().map_err(redb::StorageError::Io)?;
    while let Some(record) = read(block, at, len, round, number).map_err(redb::StorageError::Io)? {
        tables
            .redo(&record[HEAD..])
            .map_err(|e| e.map_or_else(|| damaged("a record of the journal cannot be read"), Fault::from))?;
        at += (record.len() as u64).next_multiple_of(ALIGN);
        number += 1;
    }
    Ok(())
}

/// The record at `at`, with its head; `None` where it is not whole, or not that one.
fn read(block: &dyn Block, at: u64, len: u64, round: u64, number: u64) -> io::Result<Option<Vec<u8>>> {
    if at + HEAD as u64 > len {
        return Ok(None);
    }
    let mut record = vec![0; HEAD];
    block.read(at, &mut record)?;
    let field = |n: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&record[8 * n..8 * n + 8]);
        u64::from_le_bytes(bytes)
    };
    let size = field(2);
    if field(0) != round || field(1) != number || size > len - at - HEAD as u64 {
        return Ok(None);
    }
    record.resize(HEAD + usize::try_from(size).map_err(io::Error::other)?, 0);
    block.read(at + HEAD as u64, &mut record[HEAD..])?;
    Ok((checksum(&record)[..] == record[24..HEAD]).then_some(record))
}

/// What a block begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Label(u64),
    /// Nothing yet, or what the power left of making one.
    Nothing,
    Other,
}

fn label(block: &dyn Block) -> io::Result<Found> {
    let mut start = vec![0; usize::try_from(block.len()?.min(ALIGN)).unwrap_or_default()];
    block.read(0, &mut start)?;
    let label = start.split_first_chunk::<16>().filter(|(magic, _)| *magic == MAGIC);
    Ok(match label.and_then(|(_, rest)| rest.first_chunk()) {
        Some(label) => Found::Label(u64::from_le_bytes(*label)),
        None if start.iter().all(|b| *b == 0) => Found::Nothing,
        None => Found::Other,
    })
}

/// Writes the head, and gives the block's length then; `None` where there is little room.
fn make(block: &dyn Block, label: u64) -> io::Result<Option<u64>> {
    if block.room()?.is_some_and(|room| room < ROOM) {
        return Ok(None);
    }
    let mut head = [&MAGIC[..], &label.to_le_bytes()].concat();
    head.resize(usize::try_from(ALIGN).unwrap_or_default(), 0);
    block.write(0, &head)?;
    block.flush()?;
    Ok(Some(block.len()?))
}

/// Of a record, but for the place of the checksum itself.
fn checksum(record: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(&record[..24]).chain_update(&record[HEAD..]).finalize().into()
}
