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

/// Bytes of records in one round.
pub(super) const CAPACITY: u64 = 8 << 20;
/// The longest content of a paste that is written to the journal: a longer one is written once, by the database.
pub(super) const LOGGED: usize = 64 << 10;
/// Room that is left on the device beside a journal that is made.
const ROOM: u64 = 8 * CAPACITY;
/// A record's head: round, number and length (u64, little-endian), then SHA-256 of these and of the changes. A client
/// chooses most of what is in a record, and must not make a torn one seem whole.
const HEAD: usize = 24 + 32;
/// Records begin at such offsets, so that none shares a sector with one that is durable.
const ALIGN: u64 = 4096;

/// Writes records. It belongs to the writer's thread.
#[derive(Debug)]
pub(super) struct Journal {
    block: Arc<dyn Block>,
    /// `None` until the database has begun a round, and after a failure.
    round: Option<u64>,
    number: u64,
    end: u64,
}

impl Journal {
    /// Makes `block` ready, where there is room: records never wait for space.
    pub(super) fn new(block: &Arc<dyn Block>) -> Option<Self> {
        match make_room(block.as_ref()) {
            Ok(true) => Some(Self { block: Arc::clone(block), round: None, number: 0, end: 0 }),
            // Without it, the database makes each commit durable.
            Ok(false) | Err(_) => None,
        }
    }

    /// A number that no round has had.
    pub(super) fn next_round() -> u64 {
        // Not secret: it tells apart what this round wrote from what any other left.
        RandomState::new().build_hasher().finish()
    }

    /// The database has durably begun `round`: earlier records are void and are written over.
    pub(super) fn begin(&mut self, round: u64) {
        (self.round, self.number, self.end) = (Some(round), 0, 0);
    }

    /// Takes no record until the next round.
    pub(super) fn stop(&mut self) {
        self.round = None;
    }

    /// Whether a record of `len` bytes can be appended in this round.
    pub(super) fn takes(&self, len: usize) -> bool {
        self.round.is_some() && self.end + (HEAD + len) as u64 <= CAPACITY
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
pub(super) fn replay(block: &dyn Block, round: u64, txn: &WriteTransaction) -> Result<(), Fault> {
    let mut tables = Tables::open(txn)?;
    let (mut at, mut number) = (0, 0);
    let len = block.len().map_err(redb::StorageError::Io)?.min(CAPACITY + ALIGN);
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

/// Writes all of the journal's bytes once, so that later writes change nothing but them.
fn make_room(block: &dyn Block) -> io::Result<bool> {
    let mut len = block.len()?;
    // The last record may end within a page past the capacity.
    let all = CAPACITY + ALIGN;
    if len >= all {
        return Ok(true);
    }
    if block.room()?.is_some_and(|room| room < ROOM) {
        return Ok(false);
    }
    let zeros = vec![0; 64 << 10];
    while len < all {
        let part = (all - len).min(zeros.len() as u64);
        block.write(len, &zeros[..usize::try_from(part).unwrap_or_default()])?;
        len += part;
    }
    block.flush()?;
    Ok(true)
}

/// Of a record, but for the place of the checksum itself.
fn checksum(record: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(&record[..24]).chain_update(&record[HEAD..]).finalize().into()
}
