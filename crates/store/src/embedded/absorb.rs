//! Pastes that the journal has and the database does not yet, and the thread that brings them there: a commit of the
//! database takes long now and then, and whoever creates a paste need not wait for it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::thread::{self, JoinHandle};

use device::Timestamp;
use redb::{Database, Durability};

use super::core::Core;
use super::fault::Fault;
use super::format::{Tables, Totals, due_key};
use super::guard::guarded;
use super::journal::Round;
use super::snapshot::Snapshot;
use super::task::Task;
use crate::Error;

/// Pastes that one transaction of the thread takes.
const ROWS: usize = 256;

/// A paste that is durable, and not yet in the database.
#[derive(Clone, Debug)]
pub(super) struct Fresh {
    pub(super) key: [u8; 12],
    /// As the table `pastes` will have it.
    pub(super) row: Arc<[u8]>,
    pub(super) due: Option<Timestamp>,
    /// Bytes of content.
    pub(super) size: u64,
}

/// The fresh pastes by their ids, for readers. A paste leaves it only once the snapshot that readers see has it: whoever
/// looks here first and at the snapshot then misses none.
#[derive(Debug, Default)]
pub(super) struct Shelf(RwLock<HashMap<[u8; 12], Arc<[u8]>>>);

impl Shelf {
    pub(super) fn find(&self, key: &[u8; 12]) -> Option<Arc<[u8]>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(super) fn put(&self, fresh: &[Fresh]) {
        let mut rows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        rows.extend(fresh.iter().map(|fresh| (fresh.key, Arc::clone(&fresh.row))));
    }

    pub(super) fn clear(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = HashMap::new();
    }

    fn remove(&self, fresh: &[Fresh]) {
        let mut rows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for fresh in fresh {
            rows.remove(&fresh.key);
        }
        if rows.is_empty() {
            rows.shrink_to(ROWS);
        }
    }
}

/// What the thread is to do.
pub(super) struct Job {
    pub(super) db: Arc<Database>,
    pub(super) generation: u64,
    pub(super) rows: Vec<Fresh>,
    /// What the database holds before.
    pub(super) totals: Totals,
    /// Makes all of it durable, and begins this round in the same commit.
    pub(super) round: Option<Round>,
}

/// The thread, from the writer's side: it has one job at a time.
pub(super) struct Absorber {
    jobs: Option<mpsc::Sender<Job>>,
    done: mpsc::Receiver<Result<(), Fault>>,
    thread: Option<JoinHandle<()>>,
}

impl Absorber {
    pub(super) fn start(core: Arc<Core>) -> std::io::Result<Self> {
        let (jobs, todo) = mpsc::channel::<Job>();
        let (tell, done) = mpsc::channel();
        let thread = thread::Builder::new().name("store-absorb".to_owned()).stack_size(super::STACK);
        let thread = thread.spawn(move || {
            while let Ok(job) = todo.recv() {
                // The job's handle of the database is gone before the writer hears of it.
                let result = guarded(|| job.run(&core));
                if tell.send(result).is_err() || core.send(Task::Absorbed).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs: Some(jobs), done, thread: Some(thread) })
    }

    /// Gives the thread its next job; `false` where it is no more.
    pub(super) fn give(&self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok())
    }

    /// How the job ended, if it has.
    pub(super) fn poll(&self) -> Option<Result<(), Fault>> {
        match self.done.try_recv() {
            Ok(result) => Some(result),
            Err(mpsc::TryRecvError::Empty) => None,
            Err(mpsc::TryRecvError::Disconnected) => Some(Err(gone())),
        }
    }

    /// Waits for the job's end.
    pub(super) fn wait(&self) -> Result<(), Fault> {
        self.done.recv().unwrap_or_else(|_| Err(gone()))
    }
}

impl Drop for Absorber {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It catches what panics in it.
            let _ = thread.join();
        }
    }
}

impl Job {
    fn run(mut self, core: &Core) -> Result<(), Fault> {
        // Neighbours in the table share pages.
        self.rows.sort_unstable_by_key(|fresh| fresh.key);
        let mut rest = &self.rows[..];
        let mut totals = self.totals;
        loop {
            let (some, left) = rest.split_at(rest.len().min(ROWS));
            rest = left;
            let round = self.round.filter(|_| rest.is_empty());
            let mut txn = self.db.begin_write()?;
            if round.is_some() {
                txn.set_quick_repair(true);
            } else {
                txn.set_durability(Durability::None)?;
            }
            let mut tables = Tables::open(&txn)?;
            for fresh in some {
                tables.pastes.insert(&fresh.key, &*fresh.row)?;
                if let Some(due) = fresh.due {
                    tables.due.insert(&due_key(due, &fresh.key), ())?;
                }
                totals.pastes += 1;
                totals.bytes += fresh.size;
            }
            tables.set_totals(totals)?;
            if round.is_some() {
                tables.set_round(round)?;
            }
            drop(tables);
            txn.commit()?;
            core.show(Some(Snapshot::take(&self.db, self.generation)?));
            core.shelf.remove(some);
            if rest.is_empty() {
                return Ok(());
            }
        }
    }
}

fn gone() -> Fault {
    Fault(Error::Io(std::io::Error::other("the thread that brings pastes into the database has ended")))
}
