//! The journal: what small commits did to the tables, in one row of bytes beside the database.
//!
//! The database writes a commit's pages wherever there is room, and a disk takes several times as long for scattered
//! pages as for the same bytes in a row. So a small commit is made durable by one record here, and stays in the
//! database's memory; the next commit that the database makes durable itself begins a new round, which makes all
//! records before it void. A round's number is in the database, so that the two change together.
//!
//! Rounds take turns in the journal's halves, and a round may go on in the next before the database has begun that: its
//! last record says so. Both are done again then.

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

/// Bytes of records in one round: a half of the journal.
const HALF: u64 = 4 << 20;
/// A journal's length.
const LENGTH: u64 = ALIGN + 2 * HALF;
/// Room that the database may take for what one round's records say, at most.
const WEIGHT: u64 = 24 << 20;
/// Room for what two rounds' records say, and for the journal itself.
pub(super) const RESERVE: u64 = 2 * (WEIGHT + HALF);
/// What a changed row may weigh beside its bytes: its page, that of when it is due, and a share of those above.
const ROW: u64 = 12 << 10;
/// The longest content of a paste that is written to the journal: a longer one is written once, by the database.
pub(super) const LOGGED: usize = 64 << 10;
/// The longest record's changes: the database writes more of them in a row itself.
const RECORD: usize = 2 << 20;
/// Room that is left on the device beside a journal that is made.
const ROOM: u64 = 128 << 20;
/// A record's head, six numbers (u64, little-endian), then SHA-256 of these and of the changes. A client chooses most of
/// what is in a record, and must not make a torn one seem whole.
const HEAD: usize = NUMBERS + 32;
const NUMBERS: usize = 48;
/// Records begin at such offsets, so that none shares a sector with one that is durable.
const ALIGN: u64 = PAGE as u64;
const PAGE: usize = 4096;
/// How a journal begins: this, then its label (u64, little-endian). Records begin at [`ALIGN`].
const MAGIC: &[u8; 16] = b"pasteur journal\n";
/// How much of a half is written before records are: a flush of a record then changes nothing but the record.
const STEP: u64 = 256 << 10;
/// In the place of a length: the next round's records, in the other half, go on where this one's end.
const GOES_ON: u64 = u64::MAX;

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
    /// The round that this one goes on from, while the database still has that; otherwise zero.
    before: u64,
    /// The number of the round's first record.
    first: u64,
    number: u64,
    /// Records with smaller numbers are durable.
    flushed: u64,
    end: u64,
    /// What the round's records say weighs this much in the database.
    weight: u64,
    /// Where what was written of each half ends.
    written: [u64; 2],
}

impl Journal {
    /// Makes `block` ready; `None` where there is little room.
    ///
    /// # Errors
    /// `Format` where the block holds something else, which is left as it is.
    pub(super) fn new(block: &Arc<dyn Block>) -> Result<Option<Self>, Fault> {
        let label = match label(block.as_ref()).map_err(redb::StorageError::Io)? {
            Found::Label(label) => label,
            Found::Nothing => random(),
            Found::Other => return Err(Fault(Error::Format("its journal holds something else".to_owned()))),
        };
        // Without it, the database makes each commit durable.
        let made = make(block.as_ref(), label).unwrap_or(false);
        let block = Arc::clone(block);
        let written = [start_of(0), start_of(1)];
        let (before, first, number, flushed, weight) = (0, 0, 0, 0, 0);
        let journal = Self { block, label, round: None, before, first, number, flushed, end: ALIGN, weight, written };
        Ok(made.then_some(journal))
    }

    /// Whether it takes records.
    pub(super) fn is_open(&self) -> bool {
        self.round.is_some()
    }

    /// The round to begin next, in the half that this one's records are not in.
    pub(super) fn next_round(&self) -> Round {
        // Not secret: it tells apart what this round wrote from what any other left.
        let half = self.round.map_or(0, |round| 1 - (round & 1));
        Round { journal: self.label, number: random() & !1 | half }
    }

    /// The database has durably begun `round`: earlier records are void and are written over.
    pub(super) fn begin(&mut self, round: Round) {
        (self.before, self.number, self.flushed) = (0, 0, 0);
        self.start(round);
    }

    fn start(&mut self, round: Round) {
        (self.round, self.first, self.end, self.weight) = (Some(round.number), self.number, start_of(round.number), 0);
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

    /// Whether a record of `len` bytes that changes so many rows can be appended in this round: the room for it is there then.
    pub(super) fn takes(&mut self, len: usize, rows: usize) -> bool {
        let Some(round) = self.round else { return false };
        let end = self.end + ((HEAD + len) as u64).next_multiple_of(ALIGN);
        // The last of a half's pages is that of the record that goes on elsewhere.
        len <= RECORD
            && end + ALIGN <= start_of(round) + HALF
            && self.weight + weight(len, rows) <= WEIGHT
            && self.grow(round, end + ALIGN).is_ok()
    }

    fn grow(&mut self, round: u64, end: u64) -> io::Result<()> {
        let written = &mut self.written[half_of(round)];
        if end > *written {
            let to = end.next_multiple_of(STEP).min(start_of(round) + HALF);
            self.block.write(*written, &vec![0; usize::try_from(to - *written).unwrap_or_default()])?;
            *written = to;
        }
        Ok(())
    }

    /// Whether there is room for the first records of the other half.
    pub(super) fn can_turn(&mut self) -> bool {
        let other = self.next_round().number;
        self.grow(other, start_of(other) + ALIGN).is_ok()
    }

    /// Goes on in the other half, with a round that the database is to begin before it goes on again.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub(super) fn turn(&mut self) -> io::Result<Round> {
        let next = self.next_round();
        // It is durable with the first record of the next round, and not needed before.
        self.before = self.put(GOES_ON, &next.number.to_le_bytes())?;
        self.start(next);
        Ok(next)
    }

    /// Appends a record; with `durable`, it is so when this returns, with all records before it.
    ///
    /// # Errors
    /// What the block fails with. The record is in doubt then, and no other follows in this round.
    pub(super) fn append(&mut self, changes: &[u8], rows: usize, durable: bool) -> io::Result<()> {
        let round = self.put(changes.len() as u64, changes)?;
        if durable {
            self.round = None;
            self.block.flush()?;
            self.round = Some(round);
            self.flushed = self.number;
        }
        self.weight += weight(changes.len(), rows);
        Ok(())
    }

    /// Writes a record; gives its round.
    fn put(&mut self, len: u64, changes: &[u8]) -> io::Result<u64> {
        let Some(round) = self.round.take() else { return Err(io::Error::other("the journal has no round")) };
        // A write of whole pages reads none before.
        let mut record = Vec::with_capacity((HEAD + changes.len()).next_multiple_of(PAGE));
        for number in [round, self.before, self.first, self.number, self.flushed, len] {
            record.extend_from_slice(&number.to_le_bytes());
        }
        record.resize(HEAD, 0);
        record.extend_from_slice(changes);
        let sum = checksum(&record);
        record[NUMBERS..HEAD].copy_from_slice(&sum);
        record.resize(record.len().next_multiple_of(PAGE), 0);
        self.block.write(self.end, &record)?;
        self.round = Some(round);
        self.number += 1;
        self.end += record.len() as u64;
        Ok(round)
    }
}

/// Does again what the records of `round` say, in their order, and then those of the round that it goes on in.
///
/// # Errors
/// `Format` where `block` is not the journal with that label, and `Damaged` where one of its records was durable and is
/// not whole: what they say would be missed by nobody.
pub(super) fn replay(block: &dyn Block, round: Round, txn: &WriteTransaction) -> Result<(), Fault> {
    let wrong = match label(block).map_err(redb::StorageError::Io)? {
        Found::Label(label) if label == round.journal => None,
        Found::Nothing => Some("which is missing or empty"),
        Found::Label(_) | Found::Other => Some("and this is not it"),
    };
    if let Some(wrong) = wrong {
        return Err(Fault(Error::Format(format!("its newest changes are in its journal, {wrong}"))));
    }
    if block.len().map_err(redb::StorageError::Io)? < LENGTH {
        return Err(damaged("its journal is cut short"));
    }
    let mut tables = Tables::open(txn)?;
    let (mut round, mut expected) = (round.number, None);
    loop {
        let mut at = start_of(round);
        let next = loop {
            let record = read(block, at).map_err(redb::StorageError::Io)?;
            let record = record.filter(|r| r.round() == round && expected.is_none_or(|number| number == r.number()));
            let Some(record) = record else { break None };
            expected = Some(record.number() + 1);
            if record.goes_on() {
                break record.changes().first_chunk().map(|next| u64::from_le_bytes(*next));
            }
            tables.redo(record.changes()).map_err(|e| e.map_or_else(|| unreadable(at), Fault::from))?;
            at += (record.0.len() as u64).next_multiple_of(ALIGN);
        };
        match next {
            // The other half: that of a third is the first's again, and its records have been done or are void.
            Some(next) if half_of(next) != half_of(round) && expected.is_some_and(|n| n > 0) => round = next,
            _ if was_durable(block, round, expected).map_err(redb::StorageError::Io)? => return Err(unreadable(at)),
            _ => return Ok(()),
        }
    }
}

/// Whether what was expected and is not there had been made durable: a later record knows. Of the last one, none does.
fn was_durable(block: &dyn Block, round: u64, expected: Option<u64>) -> io::Result<bool> {
    for at in (ALIGN..LENGTH).step_by(PAGE) {
        if let Some(record) = read(block, at)? {
            let [of, before, first, number, flushed, _] = record.numbers();
            let known = match expected {
                Some(expected) => (of == round || before == round) && number > expected && flushed > expected,
                None => (of == round && flushed > first) || (before == round && flushed >= first),
            };
            if known {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn unreadable(at: u64) -> Fault {
    damaged(&format!("its journal is damaged at byte {at}: a record that was durable cannot be read"))
}

/// A whole record.
struct Record(Vec<u8>);

impl Record {
    /// Round, round before, number of the round's first record, number, how many are durable, length.
    fn numbers(&self) -> [u64; 6] {
        let mut numbers = [0; 6];
        for (number, bytes) in numbers.iter_mut().zip(self.0.as_chunks().0) {
            *number = u64::from_le_bytes(*bytes);
        }
        numbers
    }

    fn round(&self) -> u64 {
        self.numbers()[0]
    }

    fn number(&self) -> u64 {
        self.numbers()[3]
    }

    fn goes_on(&self) -> bool {
        self.numbers()[5] == GOES_ON
    }

    fn changes(&self) -> &[u8] {
        &self.0[HEAD..]
    }
}

/// The record at `at`; `None` where there is no whole one.
fn read(block: &dyn Block, at: u64) -> io::Result<Option<Record>> {
    let room = LENGTH.saturating_sub(at + HEAD as u64);
    let mut record = Record(vec![0; HEAD]);
    if at + HEAD as u64 > LENGTH {
        return Ok(None);
    }
    block.read(at, &mut record.0)?;
    let len = if record.goes_on() { 8 } else { record.numbers()[5] };
    if len > room.min(RECORD as u64) {
        return Ok(None);
    }
    record.0.resize(HEAD + usize::try_from(len).map_err(io::Error::other)?, 0);
    block.read(at + HEAD as u64, &mut record.0[HEAD..])?;
    Ok((checksum(&record.0)[..] == record.0[NUMBERS..HEAD]).then_some(record))
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

/// Writes the head and gives the block its length; `false` where there is little room.
fn make(block: &dyn Block, label: u64) -> io::Result<bool> {
    if block.room()?.is_some_and(|room| room < ROOM) {
        return Ok(false);
    }
    let mut head = [&MAGIC[..], &label.to_le_bytes()].concat();
    head.resize(PAGE, 0);
    block.write(0, &head)?;
    if block.len()? < LENGTH {
        block.set_len(LENGTH)?;
    }
    block.flush()?;
    Ok(true)
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn half_of(round: u64) -> usize {
    usize::from(round & 1 == 1)
}

/// Where the round's records begin.
fn start_of(round: u64) -> u64 {
    ALIGN + (round & 1) * HALF
}

fn weight(len: usize, rows: usize) -> u64 {
    rows as u64 * ROW + 2 * len as u64
}

/// Of a record, but for the place of the checksum itself.
fn checksum(record: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(&record[..NUMBERS]).chain_update(&record[HEAD..]).finalize().into()
}
