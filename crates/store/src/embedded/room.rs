//! Whether there is room for what comes, so that there always is some for what makes room: what does not come to redb cannot fail
//! there, and what is removed needs some room itself.

use std::sync::Arc;

use redb::{Database, TableDefinition};

use super::fault::Fault;
use super::format;
use super::guard::guarded;
use super::journal;
use super::task::Task;
use super::writer::Writer;
use crate::Error;

/// Room on the device that is left to what makes room: a change rewrites some pages of 4 KiB, and a commit that records
/// the free pages writes one byte for 16 KiB of the store.
const RESERVE: u64 = 2 << 20;
const SHARE: u64 = 4096;
/// Room in the database that is left to the same end where the device has none.
const MARGIN: u64 = 256 << 10;
/// What a task may rewrite beside its content: a few pages of each table, some longer than others.
const REWRITTEN: u64 = 16 << 10;
/// Of a device that cannot grow, this much more than what is needed is found free at once, so that it is looked for less often.
const AHEAD: u64 = 1 << 20;
/// Neither is more than this share of the device.
const PART: u64 = 8;
/// Rows of this length have a page of 4 KiB each.
const ROW: usize = 3000;
/// Which pages are free is recorded in rows of at most this length, each of a region of 4 GiB, in pages of twice that.
const RECORD: u64 = 256 << 10;
/// A table of transactions that are given up, in which pages are taken to find that they are there.
const TAKEN: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("taken");

impl Writer {
    /// Where the device is nearly full, takes nothing more but in the place of what was removed: what does not come to
    /// redb cannot fail there, and what is removed needs some room itself.
    pub(super) fn refuse_without_room(&mut self, batch: Vec<Task>) -> Vec<Task> {
        if !batch.iter().any(Task::takes_room) {
            return batch;
        }
        if self.extent.is_fixed() {
            return if self.ceiling.is_some() { self.refuse(batch) } else { batch };
        }
        let bytes: u64 = batch.iter().map(|task| task.bytes() as u64).sum();
        let coming = bytes + self.undurable;
        let needed = RESERVE + coming + coming / 4 + self.totals.bytes / SHARE;
        let mut room = self.extent.room();
        if self.journal.is_some() && room.is_some_and(|room| room < needed + journal::RESERVE) {
            self.leave_journal();
            room = self.extent.room();
        }
        let reserve = if self.journal.is_some() { journal::RESERVE } else { 0 };
        if room.is_none_or(|room| room >= needed + reserve) {
            if room.is_some() {
                self.ceiling = None;
            }
            return batch;
        }
        // Its bytes are counted since they were written to their uploads.
        let weight = self.core.ledger.weight();
        if weight + MARGIN <= *self.ceiling.get_or_insert(weight.saturating_sub(bytes)) {
            return batch;
        }
        self.refuse(batch)
    }

    /// Answers that there is no room to what takes some; gives back the rest.
    fn refuse(&self, batch: Vec<Task>) -> Vec<Task> {
        let (refused, rest) = batch.into_iter().partition(Task::takes_room);
        self.fail(refused, &Error::Full);
        rest
    }

    /// Takes what the journal has into the database, while there is room for that, and goes on without a journal.
    fn leave_journal(&mut self) {
        self.settle();
        let Some(db) = &self.db else { return };
        match guarded(|| format::make_whole(db)) {
            Ok(()) => {
                self.journal = None;
                self.undurable = 0;
                self.checkpointed = true;
            }
            // A failure here shows at the next task.
            Err(_) => drop(self.heal()),
        }
    }

    /// Whether a device that cannot grow has more than the database, which grows by its own size: opened anew, it takes the rest.
    pub(super) fn can_stretch(&self, fault: &Fault) -> bool {
        matches!(fault.0, Error::Full) && matches!(self.extent.beyond(), Ok(Some(rest)) if rest > 0)
    }

    /// Something was removed: a device that was full need no longer be.
    pub(super) fn room_was_made(&mut self) {
        if self.extent.is_fixed() {
            self.ceiling = None;
        }
    }

    /// Finds that `batch`, with so many bytes of content, leaves room for what makes room; gives what is known to be free
    /// afterwards. redb does not tell what is free, so pages are taken and given back.
    ///
    /// # Errors
    /// `Full` where they are not there.
    pub(super) fn prove_headroom(&self, db: &Arc<Database>, batch: &[Task], bytes: u64) -> Result<u64, Fault> {
        let Some(beyond) = self.extent.beyond().map_err(redb::StorageError::Io)? else { return Ok(0) };
        if !batch.iter().any(Task::takes_room) {
            return Ok(self.headroom);
        }
        let part = (self.extent.held() + beyond) / PART;
        let comes = bytes + bytes / 4 + (batch.len() as u64 + 4) * REWRITTEN;
        let needed = RESERVE.min(part) + comes;
        if beyond > needed {
            return Ok(self.headroom);
        }
        if self.headroom >= needed {
            return Ok(self.headroom - comes);
        }
        let found = needed + AHEAD.min(part);
        let recorded = self.extent.held() / 16_384;
        guarded(|| {
            let txn = db.begin_write()?;
            let mut taken = txn.open_table(TAKEN)?;
            let long = usize::try_from(recorded.min(RECORD)).unwrap_or_default();
            for n in 0..recorded.div_ceil(RECORD) {
                taken.insert_reserve(n, long)?;
            }
            for n in 0..found / 4096 {
                taken.insert_reserve(u64::MAX - n, ROW)?;
            }
            drop(taken);
            Ok(txn.abort()?)
        })?;
        Ok(found - comes)
    }
}
