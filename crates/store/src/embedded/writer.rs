//! The writer's thread: it alone changes the database. Everything that waits goes into one transaction, so that one
//! flush of the device serves all of it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use device::Block;
use redb::{Database, Durability, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::Options;
use super::apply::{Effects, Ledgered};
use super::backend::Backend;
use super::core::{Core, guarded};
use super::fault::{Fault, again};
use super::format::{self, Found, Tables, Totals};
use super::snapshot::Snapshot;
use super::task::{Change, Sweep, Task};
use crate::{Error, Result};

/// Tasks and bytes of content that one transaction takes.
const BATCH_TASKS: usize = 512;
const BATCH_BYTES: usize = 8 << 20;
/// Bytes of pieces that may be committed without a flush: the next flush then has this much to write at most.
const UNDURABLE: u64 = 32 << 20;
/// Pieces of removed pastes that one transaction takes out.
const REAP: usize = 16;

/// Whom to tell that the store is closed.
type Closing = Option<oneshot::Sender<Result<()>>>;

pub(super) struct Writer {
    block: Arc<dyn Block>,
    options: Options,
    core: Arc<Core>,
    tasks: mpsc::UnboundedReceiver<Task>,
    /// `None` after a failure, until it could be opened again.
    db: Option<Database>,
    generation: u64,
    totals: Totals,
    /// Uploads whose pieces are to be removed.
    orphans: VecDeque<u64>,
    /// Removing them failed: wait until something else succeeds.
    reaping_failed: bool,
    undurable: u64,
}

/// One task's outcome.
enum Done {
    Unit(Result<()>),
    Sweep(Sweep),
}

/// What a transaction led to.
struct Committed {
    done: Vec<Done>,
    totals: Totals,
    effects: Effects,
    /// Uploads whose pieces are all gone.
    reaped: usize,
    durable: bool,
    /// There was nothing to commit.
    unchanged: bool,
}

/// Opens the database on `block`, and makes one where the block is empty.
pub(super) fn open(block: &Arc<dyn Block>, options: &Options) -> std::result::Result<(Database, Found), Fault> {
    guarded(|| {
        clear_unfinished(block.as_ref()).map_err(redb::StorageError::Io)?;
        let db =
            Database::builder().set_cache_size(options.cache_bytes).create_with_backend(Backend(Arc::clone(block)))?;
        let found = format::prepare(&db)?;
        Ok((db, found))
    })
}

/// Empties a block on which redb had begun to make a database when the power went: it writes its magic number last,
/// over a file of zeroes. Nothing else looks so, as anything longer is left alone.
fn clear_unfinished(block: &dyn Block) -> io::Result<()> {
    const MAGIC: usize = 9;
    const HEADER: usize = 512;
    const LONGEST: u64 = 4 << 20;
    let len = block.len()?;
    if len == 0 || len > LONGEST {
        return Ok(());
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    block.read(0, &mut bytes)?;
    if bytes.iter().take(MAGIC).chain(bytes.iter().skip(HEADER)).all(|b| *b == 0) {
        block.set_len(0)?;
        block.flush()?;
    }
    Ok(())
}

impl Writer {
    pub(super) fn new(
        block: Arc<dyn Block>,
        options: Options,
        core: Arc<Core>,
        tasks: mpsc::UnboundedReceiver<Task>,
        db: Database,
        found: Found,
    ) -> std::result::Result<Self, Fault> {
        core.show(Some(Snapshot::take(&db, 0)?));
        Ok(Self {
            block,
            options,
            core,
            tasks,
            db: Some(db),
            generation: 0,
            totals: found.totals,
            orphans: found.orphans.into(),
            reaping_failed: false,
            undurable: 0,
        })
    }

    /// Works until the store is closed.
    pub(super) fn run(mut self) {
        loop {
            let (batch, close) = self.collect();
            if !batch.is_empty() || self.may_reap() {
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

    fn may_reap(&self) -> bool {
        !self.orphans.is_empty() && !self.reaping_failed
    }

    /// What is waiting, or, where nothing is, the next task. Then whether to close afterwards, and whom to tell.
    fn collect(&mut self) -> (Vec<Task>, Option<Closing>) {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let tasks = if self.options.group_commit { BATCH_TASKS } else { 1 };
        while batch.len() < tasks && bytes < BATCH_BYTES {
            let next = if batch.is_empty() && !self.may_reap() {
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
                // Whoever asked has left: an upload that nobody waits for leaves nothing behind.
                Some(Task::Publish { answer, .. }) if answer.is_closed() => {}
                Some(task) => {
                    bytes += task.bytes();
                    batch.push(task);
                }
            }
        }
        (batch, None)
    }

    fn commit(&mut self, batch: Vec<Task>) {
        match self.attempt(&batch) {
            Ok(committed) => self.finish(batch, committed),
            Err(fault) => {
                self.reaping_failed |= batch.is_empty();
                // A failure here shows at the next task.
                let _ = self.heal();
                for task in batch {
                    task.answer(Done::Unit(Err(again(&fault.0))), self.generation);
                }
            }
        }
    }

    /// Does all of `batch` in one transaction, and some reaping.
    fn attempt(&mut self, batch: &[Task]) -> std::result::Result<Committed, Fault> {
        if self.db.is_none() {
            self.heal()?;
        }
        let Some(db) = &self.db else { return Err(Fault(Error::Closed)) };
        let bytes: u64 = batch.iter().map(|task| task.bytes() as u64).sum();
        let durable = batch.iter().any(Task::must_be_durable) || self.undurable + bytes > UNDURABLE;
        guarded(|| {
            let mut txn = db.begin_write()?;
            txn.set_quick_repair(durable && self.options.quick_recovery);
            if !durable {
                txn.set_durability(Durability::None)?;
            }
            let committed = self.fill(&txn, batch, durable)?;
            if committed.unchanged {
                txn.abort()?;
            } else {
                txn.commit()?;
            }
            Ok(committed)
        })
    }

    fn fill(&self, txn: &WriteTransaction, batch: &[Task], durable: bool) -> std::result::Result<Committed, Fault> {
        let mut changes = Ledgered {
            tables: Tables::open(txn)?,
            totals: self.totals,
            effects: Effects::default(),
            now: self.core.now(),
            generation: self.generation,
        };
        let mut done = Vec::with_capacity(batch.len());
        for task in batch {
            done.push(task.apply(&mut changes)?);
        }
        let (mut left, mut reaped) = (REAP, 0);
        if self.may_reap() {
            for upload in self.orphans.iter().take(REAP) {
                let (removed, all) = changes.reap(*upload, left)?;
                left -= removed;
                if !all {
                    break;
                }
                reaped += 1;
            }
        }
        let unchanged = left == REAP && reaped == 0 && done.iter().all(Done::changed_nothing);
        if changes.totals != self.totals {
            changes.tables.set_totals(changes.totals)?;
        }
        let (totals, effects) = (changes.totals, changes.effects);
        Ok(Committed { done, totals, effects, reaped, unchanged, durable: durable && !unchanged })
    }

    /// Makes a committed transaction known.
    fn finish(&mut self, batch: Vec<Task>, committed: Committed) {
        self.reaping_failed = false;
        let bytes: u64 = batch.iter().map(|task| task.bytes() as u64).sum();
        self.undurable = if committed.durable { 0 } else { self.undurable + bytes };
        self.totals = committed.totals;
        self.orphans.drain(..committed.reaped);
        self.orphans.extend(committed.effects.orphans);
        self.core.ledger.set_pastes(self.totals.pastes);
        self.core.ledger.release(committed.effects.released);
        let generation = self.generation;
        let shown = self.db.as_ref().map(|db| guarded(|| Snapshot::take(db, self.generation)));
        match shown {
            Some(Ok(snapshot)) => self.core.show(Some(snapshot)),
            // What was committed stays; readers ask for healing again if this fails.
            _ => drop(self.heal()),
        }
        for (task, done) in batch.into_iter().zip(committed.done) {
            task.answer(done, generation);
        }
    }

    /// Opens the database anew after it failed.
    fn heal(&mut self) -> std::result::Result<(), Fault> {
        self.core.show(None);
        self.db = None;
        self.orphans.clear();
        self.undurable = 0;
        self.generation += 1;
        let (db, found) = open(&self.block, &self.options)?;
        self.core.ledger.reserve_again(self.totals.bytes, found.totals.bytes);
        self.core.ledger.set_pastes(found.totals.pastes);
        self.totals = found.totals;
        self.orphans = found.orphans.into();
        self.core.show(Some(Snapshot::take(&db, self.generation)?));
        self.db = Some(db);
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.core.show(None);
        self.tasks.close();
        let Some(db) = self.db.take() else { return Ok(()) };
        guarded(|| {
            let mut txn = db.begin_write()?;
            txn.set_quick_repair(true);
            txn.commit()?;
            db.close()?;
            Ok(())
        })
        .map_err(|fault| fault.0)
    }
}

impl Task {
    /// Bytes of content it brings.
    fn bytes(&self) -> usize {
        match self {
            Self::Piece { piece, .. } => piece.data.len(),
            Self::Publish { publish, .. } => publish.tail.len(),
            _ => 0,
        }
    }

    /// Whether its answer promises that it survives a loss of power.
    fn must_be_durable(&self) -> bool {
        match self {
            Self::Change { change, .. } => !matches!(change, Change::Renew { .. }),
            Self::Publish { .. } | Self::Sweep { .. } => true,
            _ => false,
        }
    }

    fn apply(&self, changes: &mut Ledgered<'_>) -> std::result::Result<Done, Fault> {
        Ok(match self {
            Self::Piece { piece, .. } => Done::Unit(changes.piece(piece)?),
            Self::Publish { publish, .. } => Done::Unit(changes.publish(publish)?),
            Self::Change { id, change, .. } => Done::Unit(changes.change(id, change)?),
            Self::Sweep { .. } => Done::Sweep(changes.sweep()?),
            Self::Discard { .. } | Self::Heal { .. } | Self::Close { .. } => Done::Unit(Ok(())),
        })
    }

    /// Tells whoever asked. Nobody may be waiting any more: what was done stays done.
    fn answer(self, done: Done, generation: u64) {
        match (self, done) {
            (Self::Piece { answer, room, .. }, Done::Unit(result)) => {
                drop(room);
                let _ = answer.send(result.map(|()| generation));
            }
            (Self::Publish { mut publish, answer }, Done::Unit(result)) => {
                let _ = answer.send(match result {
                    Ok(()) => {
                        publish.ticket.spend();
                        Ok(())
                    }
                    Err(e) => Err((e, publish.ticket)),
                });
            }
            (Self::Change { answer, .. }, Done::Unit(result)) => {
                let _ = answer.send(result);
            }
            (Self::Sweep { answer }, done) => {
                let _ = answer.send(match done {
                    Done::Sweep(sweep) => Ok(sweep),
                    Done::Unit(result) => result.map(|()| Sweep::default()),
                });
            }
            _ => {}
        }
    }
}

impl Done {
    fn changed_nothing(&self) -> bool {
        match self {
            Self::Unit(result) => result.is_err(),
            Self::Sweep(sweep) => !sweep.more && sweep.rows == 0,
        }
    }
}
