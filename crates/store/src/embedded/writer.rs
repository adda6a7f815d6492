//! The writer's thread: it alone changes the database. Everything that waits goes into one transaction, so that one
//! flush of the device serves all of it.

use std::collections::VecDeque;
use std::sync::Arc;

use redb::{Database, Durability, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::Options;
use super::apply::{Effects, Ledgered};
use super::core::Core;
use super::extent::{Backend, Extent};
use super::fault::{Fault, again};
use super::format::{self, Found, Tables, Totals};
use super::front::Front;
use super::guard::guarded;
use super::journal::Journal;
use super::snapshot::Snapshot;
use super::task::{Done, Task, Undo};
use crate::{Error, Result};

/// Tasks and bytes of content that one transaction takes.
const BATCH_TASKS: usize = 512;
const BATCH_BYTES: usize = 8 << 20;
/// Bytes of pieces that may be committed without a flush: the next flush then has this much to write at most.
const UNDURABLE: u64 = 32 << 20;
/// Pieces of removed pastes that one transaction takes out.
const REAP: usize = 16;
/// Commits after a failure that can be recovered from at once: the next failure may be near, as on a full device.
const WARY: u32 = 1000;

/// Whom to tell that the store is closed.
type Closing = Option<oneshot::Sender<Result<()>>>;

pub(super) struct Writer {
    pub(super) extent: Arc<Extent>,
    pub(super) options: Options,
    pub(super) core: Arc<Core>,
    tasks: mpsc::UnboundedReceiver<Task>,
    /// `None` after a failure, until it could be opened again. The absorber has a handle while it has a job.
    pub(super) db: Option<Arc<Database>>,
    pub(super) generation: u64,
    /// Of the database and of the pastes on their way into it.
    pub(super) totals: Totals,
    /// Uploads whose pieces are to be removed.
    orphans: VecDeque<u64>,
    /// What failed or went unheard, and must not stay.
    pub(super) undo: Vec<Undo>,
    /// Removing these failed: wait until something else succeeds.
    tidying_failed: bool,
    pub(super) undurable: u64,
    /// How many commits are still to record the free pages, after a failure.
    pub(super) wary: u32,
    /// What the store weighed when the device was found to be full.
    pub(super) ceiling: Option<u64>,
    /// Bytes that are known to be free in a database that cannot grow.
    pub(super) headroom: u64,
    /// The last commit recorded the free pages, so that recovery needs not read the whole store.
    pub(super) checkpointed: bool,
    pub(super) journal: Option<Journal>,
    pub(super) front: Front,
}

/// What a transaction led to.
struct Committed {
    done: Vec<Done>,
    totals: Totals,
    effects: Effects,
    /// Uploads whose pieces are all gone.
    reaped: usize,
    /// How many were undone.
    undone: usize,
    /// Something was removed.
    freed: bool,
    durable: bool,
    checkpoint: bool,
    /// There was nothing to commit.
    unchanged: bool,
}

/// Opens the database on `extent`, and makes one where that is empty.
pub(super) fn open(extent: &Arc<Extent>, options: &Options) -> std::result::Result<(Database, Found), Fault> {
    guarded(|| {
        extent.measure()?;
        let backend = Backend(Arc::clone(extent));
        let db = Database::builder().set_cache_size(options.cache_bytes).create_with_backend(backend)?;
        let found = format::prepare(&db, options.journal.as_deref())?;
        Ok((db, found))
    })
}

impl Writer {
    pub(super) fn new(
        extent: Arc<Extent>,
        options: Options,
        core: Arc<Core>,
        tasks: mpsc::UnboundedReceiver<Task>,
        db: Database,
        found: Found,
    ) -> std::result::Result<Self, Fault> {
        core.show(Some(Snapshot::take(&db, 0)?));
        // Where it is not known what is free, nothing that a record says could be sure of its room.
        let journal = options.journal.as_ref().filter(|_| !extent.is_fixed());
        let journal = journal.map(Journal::new).transpose()?.flatten();
        Ok(Self {
            extent,
            options,
            core,
            tasks,
            db: Some(Arc::new(db)),
            generation: 0,
            totals: found.totals,
            orphans: found.orphans.into(),
            undo: Vec::new(),
            tidying_failed: false,
            undurable: 0,
            wary: 0,
            ceiling: None,
            headroom: 0,
            checkpointed: true,
            journal,
            front: Front::default(),
        })
    }

    /// Works until the store is closed.
    pub(super) fn run(mut self) {
        loop {
            let (batch, close) = self.collect();
            if !batch.is_empty() || self.may_tidy() {
                self.commit(batch);
            }
            if let Some(answer) = close {
                let result = self.close();
                if let Some(answer) = answer {
                    // Nobody may be waiting any more.
                    let _ = answer.send(result);
                }
                return;
            }
        }
    }

    pub(super) fn may_tidy(&self) -> bool {
        !self.tidying_failed && (!self.undo.is_empty() || !self.orphans.is_empty())
    }

    /// What is waiting, or, where nothing is, the next task. Then whether to close afterwards, and whom to tell.
    fn collect(&mut self) -> (Vec<Task>, Option<Closing>) {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let tasks = if self.options.group_commit { BATCH_TASKS } else { 1 };
        while batch.len() < tasks && bytes < BATCH_BYTES {
            let next = if batch.is_empty() && !self.may_tidy() {
                self.tasks.blocking_recv()
            } else {
                match self.tasks.try_recv() {
                    Ok(task) => Some(task),
                    Err(mpsc::error::TryRecvError::Empty) => break,
                    Err(mpsc::error::TryRecvError::Disconnected) => None,
                }
            };
            match next {
                None => return (batch, Some(None)),
                Some(Task::Close { answer }) => return (batch, Some(answer)),
                Some(Task::Discard { upload }) => self.orphans.push_back(upload),
                Some(Task::Heal { generation, answer }) => {
                    let failed = self.db.is_none() || self.core.snapshot().is_none() || generation == self.generation;
                    let result = if failed { self.heal().map_err(|f| f.0) } else { Ok(()) };
                    // Nobody may be waiting any more.
                    let _ = answer.send(result);
                }
                Some(Task::Settle { answer }) => {
                    self.settle();
                    // Nobody may be waiting any more.
                    let _ = answer.send(());
                }
                Some(Task::Absorbed) => self.look_at_absorber(),
                // Whoever asked has left: an upload that nobody waits for leaves nothing behind.
                Some(task) if task.is_unheard() => {}
                Some(task) => {
                    bytes += task.bytes();
                    batch.push(task);
                }
            }
        }
        (batch, None)
    }

    fn commit(&mut self, batch: Vec<Task>) {
        let batch = self.refuse_without_room(batch);
        let batch = self.take_short_way(batch);
        if batch.is_empty() && !self.may_tidy() {
            return;
        }
        self.settle();
        let mut attempt = self.attempt(&batch);
        if matches!(&attempt, Err(fault) if self.can_stretch(fault)) {
            // A failure here shows at the next attempt.
            let _ = self.heal();
            attempt = self.attempt(&batch);
        }
        match attempt {
            Ok(committed) => self.finish(batch, committed),
            Err(fault) => {
                self.tidying_failed |= batch.is_empty();
                let full = matches!(fault.0, Error::Full);
                let rest = self.fail_to_commit(batch, &fault);
                // Only what takes room is to blame.
                if full && !Vec::is_empty(&rest) {
                    match self.attempt(&rest) {
                        Ok(committed) => self.finish(rest, committed),
                        // Not even what makes room has any.
                        Err(fault) => {
                            let rest = self.fail_to_commit(rest, &fault);
                            self.fail(rest, &fault.0);
                        }
                    }
                }
            }
        }
    }

    /// Answers that `batch` failed, and opens the database anew; gives back what is not to blame.
    pub(super) fn fail_to_commit(&mut self, batch: Vec<Task>, fault: &Fault) -> Vec<Task> {
        // The device may have kept what failed.
        self.undo.extend(batch.iter().filter_map(Task::undo));
        // A failure here shows at the next task.
        let _ = self.heal();
        let full = matches!(fault.0, Error::Full);
        if full {
            let bytes = batch.iter().map(|task| task.bytes() as u64).sum();
            self.ceiling = Some(self.core.ledger.weight().saturating_sub(bytes));
        }
        let (failed, rest) = batch.into_iter().partition(|task| !full || task.takes_room());
        self.fail(failed, &fault.0);
        rest
    }

    pub(super) fn fail(&self, batch: Vec<Task>, error: &Error) {
        for task in batch {
            task.answer(Done::Unit(Err(again(error))), self.generation);
        }
    }

    /// Does all of `batch` in one transaction, and some reaping.
    fn attempt(&mut self, batch: &[Task]) -> std::result::Result<Committed, Fault> {
        if self.db.is_none() {
            self.heal()?;
        }
        let Some(db) = &self.db else { return Err(Fault(Error::Closed)) };
        let bytes: u64 = batch.iter().map(|task| task.bytes() as u64).sum();
        let durable =
            batch.iter().any(Task::must_be_durable) || self.undurable + bytes > UNDURABLE || !self.undo.is_empty();
        // Sweeps come regularly: where little else does, a crash is likely to find the last commit to be one.
        let due = !self.checkpointed && batch.iter().any(|task| matches!(task, Task::Sweep { .. }));
        let checkpoint = durable && (self.options.quick_recovery || self.wary > 0 || due);
        let whole = checkpoint || !self.undo.is_empty() || self.undurable + bytes > UNDURABLE;
        let whole = whole || batch.iter().any(Task::is_for_the_database);
        let headroom = self.prove_headroom(db, batch, bytes)?;
        let mut journal = self.journal.take();
        let result = guarded(|| {
            let mut txn = db.begin_write()?;
            let mut committed = self.fill(&txn, batch)?;
            committed.unchanged &= !due;
            if committed.unchanged {
                txn.abort()?;
                return Ok(committed);
            }
            let changes = std::mem::take(&mut committed.effects.changes).0;
            let mut round = None;
            let rows = batch.len();
            let takes = !whole && journal.as_mut().is_some_and(|journal| journal.takes(changes.len(), rows));
            committed.durable = match &mut journal {
                None => durable,
                Some(_) if !durable && changes.is_empty() => false,
                Some(journal) if takes => {
                    // Before the database has it: what cannot be written must not be in what later records add to.
                    journal.append(&changes, rows, durable).map_err(redb::StorageError::Io)?;
                    false
                }
                Some(journal) => {
                    round = Some(journal.next_round());
                    journal.stop();
                    true
                }
            };
            if committed.durable {
                // A journal that is full is begun anew where recovery is quick.
                committed.checkpoint = checkpoint || (round.is_some() && !whole);
                txn.set_quick_repair(committed.checkpoint);
                if round.is_some() {
                    Tables::open(&txn)?.set_round(round)?;
                }
            } else {
                txn.set_durability(Durability::None)?;
            }
            txn.commit()?;
            if let (Some(journal), Some(round)) = (&mut journal, round) {
                journal.begin(round);
            }
            Ok(committed)
        });
        self.journal = journal;
        self.headroom = headroom;
        result
    }

    fn fill(&self, txn: &WriteTransaction, batch: &[Task]) -> std::result::Result<Committed, Fault> {
        let mut changes = Ledgered {
            tables: Tables::open(txn)?,
            totals: self.totals,
            effects: Effects::default(),
            now: self.core.now(),
            generation: self.generation,
        };
        let (mut left, mut reaped, mut undone) = (REAP, 0, 0);
        let mut changed = false;
        // First, so that what follows finds the tables as callers were told that they are.
        for undo in &self.undo {
            changed |= changes.undo(undo)?;
            undone += 1;
        }
        let mut done = Vec::with_capacity(batch.len());
        for task in batch {
            done.push(task.apply(&mut changes)?);
        }
        if self.may_tidy() {
            for upload in self.orphans.iter().take(REAP) {
                let (removed, all) = changes.reap(*upload, left)?;
                left -= removed;
                if !all {
                    break;
                }
                reaped += 1;
            }
        }
        let freed = left < REAP || changes.effects.released > 0 || changes.totals.pastes < self.totals.pastes;
        let unchanged = !changed && left == REAP && reaped == 0 && done.iter().all(Done::changed_nothing);
        if changes.totals != self.totals {
            changes.tables.set_totals(changes.totals)?;
            changes.effects.changes.totals(changes.totals);
        }
        let (totals, effects) = (changes.totals, changes.effects);
        Ok(Committed { done, totals, effects, reaped, undone, freed, unchanged, durable: false, checkpoint: false })
    }

    /// Makes a committed transaction known.
    fn finish(&mut self, batch: Vec<Task>, mut committed: Committed) {
        self.tidying_failed = false;
        let done = std::mem::take(&mut committed.done);
        self.note(batch.iter().map(|task| task.bytes() as u64).sum(), committed);
        let generation = self.generation;
        let shown = self.db.as_ref().map(|db| guarded(|| Snapshot::take(db, generation)));
        match shown {
            Some(Ok(snapshot)) => self.core.show(Some(snapshot)),
            // What was committed stays; readers ask for healing again if this fails.
            _ => drop(self.heal()),
        }
        for (task, done) in batch.into_iter().zip(done) {
            self.undo.extend(task.answer(done, generation));
        }
    }

    /// Takes over what a transaction with `bytes` of content led to.
    fn note(&mut self, bytes: u64, committed: Committed) {
        self.undurable = if committed.durable { 0 } else { self.undurable + bytes };
        if !committed.unchanged {
            self.checkpointed = committed.checkpoint;
            self.wary = self.wary.saturating_sub(1);
        }
        if committed.freed {
            self.room_was_made();
        }
        self.undo.drain(..committed.undone);
        self.totals = committed.totals;
        self.orphans.drain(..committed.reaped);
        self.orphans.extend(committed.effects.orphans);
        self.core.ledger.set_pastes(self.totals.pastes);
        self.core.ledger.release(committed.effects.released);
    }

    /// Opens the database anew after it failed. What has to be undone is undone before anybody sees it, if the device
    /// lets it.
    pub(super) fn heal(&mut self) -> std::result::Result<(), Fault> {
        self.abandon();
        self.core.show(None);
        // After the snapshot: whoever misses a paste here asks for a new one.
        self.core.shelf.clear();
        self.reopen()?;
        if !self.undo.is_empty() {
            match self.attempt(&[]) {
                Ok(committed) => self.note(0, committed),
                Err(_) => self.reopen()?,
            }
        }
        if let Some(db) = &self.db {
            self.core.show(Some(guarded(|| Snapshot::take(db, self.generation))?));
        }
        Ok(())
    }

    fn reopen(&mut self) -> std::result::Result<(), Fault> {
        if let Some(journal) = &mut self.journal {
            journal.finish();
        }
        self.db = None;
        self.orphans.clear();
        self.undurable = 0;
        self.wary = WARY;
        self.checkpointed = true;
        self.headroom = 0;
        self.generation += 1;
        let (db, found) = open(&self.extent, &self.options)?;
        self.core.ledger.reserve_again(self.totals.bytes, found.totals.bytes);
        self.core.ledger.set_pastes(found.totals.pastes);
        self.totals = found.totals;
        self.orphans = found.orphans.into();
        self.db = Some(Arc::new(db));
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.tasks.close();
        self.settle();
        if self.db.is_none() {
            self.heal().map_err(|fault| fault.0)?;
        }
        self.core.show(None);
        // Nobody else has it where the absorber has no job.
        let Some(db) = self.db.take().and_then(Arc::into_inner) else { return Err(Error::Closed) };
        guarded(|| {
            format::make_whole(&db)?;
            db.close()?;
            Ok(())
        })
        .map_err(|fault| fault.0)
    }
}
