//! What the store's handles, uploads and readers share with the writer's thread.

use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, PoisonError, RwLock};

use api::Id;
use bytes::Bytes;
use device::{Clock, Timestamp};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::absorb::Shelf;
use super::fault::Fault;
use super::format::{PIECE, full_piece, paste_key};
use super::guard::{caught, guarded, inconsistent};
use super::ledger::Ledger;
use super::pool::Pool;
use super::row::Paste;
use super::snapshot::{Snapshot, visible};
use super::task::{Change, Sweep, Task, Ticket};
use super::upload::GROW;
use crate::{Error, Result, Swept};

/// Pieces that may wait for the writer at once, and fewer where contents have less memory: each is up to 1 MiB of it.
const PIECES_WAITING: usize = 4;
/// Threads that read pieces.
const READERS: usize = 4;

pub(super) struct Core {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) tasks: mpsc::UnboundedSender<Task>,
    /// Back-pressure for uploads.
    pub(super) room: Arc<Semaphore>,
    /// What uploads, and readers, may hold in memory before they take less at once.
    pub(super) contents: usize,
    /// The longest piece of an upload, in bytes.
    pub(super) piece: usize,
    /// Bytes of content in the memory of uploads under way.
    pub(super) buffered: AtomicUsize,
    /// Bytes of content that readers have handed out and nobody has dropped yet.
    pub(super) handed_out: Arc<AtomicUsize>,
    /// Pastes that the snapshot may not have yet: look here first.
    pub(super) shelf: Shelf,
    snapshot: RwLock<Option<Arc<Snapshot>>>,
    pool: Pool,
}

impl Core {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        ledger: Ledger,
        contents: usize,
        tasks: mpsc::UnboundedSender<Task>,
    ) -> Self {
        Self {
            clock,
            contents,
            piece: full_piece((contents / 3).clamp(GROW, PIECE)),
            ledger: Arc::new(ledger),
            tasks,
            room: Arc::new(Semaphore::new((contents / PIECE).clamp(1, PIECES_WAITING))),
            buffered: AtomicUsize::new(0),
            handed_out: Arc::default(),
            shelf: Shelf::default(),
            snapshot: RwLock::new(None),
            pool: Pool::new(READERS),
        }
    }

    /// Replaces the state that readers see; with `None` they ask the writer for a new one.
    pub(super) fn show(&self, snapshot: Option<Snapshot>) {
        let new = snapshot.map(Arc::new);
        let old = std::mem::replace(&mut *self.snapshot.write().unwrap_or_else(PoisonError::into_inner), new);
        // Its pages are given back outside of the lock.
        drop(old);
    }

    pub(super) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What `f` makes of a paste that can be seen.
    pub(super) async fn look_up<T>(&self, id: &Id, f: impl Fn(&Paste<'_>) -> T + Send + Sync) -> Result<T> {
        let now = self.now();
        match self.shelf.find(&paste_key(id)) {
            Some(row) => visible(&row, now, f).map_err(|fault| fault.0)?,
            None => self.read(|s| s.with(id, now, &f)).await,
        }
    }

    /// Waits until the snapshot has all that was answered.
    pub(super) async fn settle(&self) -> Result<()> {
        let (answer, settled) = oneshot::channel();
        self.send(Task::Settle { answer })?;
        settled.await.map_err(|_| Error::Closed)
    }

    /// Reads from the newest state; where that faults, once more after the database was opened anew.
    pub(super) async fn read<T>(
        &self,
        f: impl Fn(&Snapshot) -> std::result::Result<Result<T>, Fault> + Send + Sync,
    ) -> Result<T> {
        for healed in [false, true] {
            let generation = match self.snapshot() {
                None => u64::MAX,
                Some(snapshot) => match caught(|| f(&snapshot)) {
                    Some(Ok(answer)) => return answer,
                    // Opening it anew would find the same damage.
                    Some(Err(Fault(damaged @ Error::Damaged(_)))) => return Err(damaged),
                    Some(Err(fault)) if healed => return Err(fault.0),
                    None if healed => return Err(inconsistent().0),
                    _ => snapshot.generation,
                },
            };
            if !healed {
                let (answer, healed) = oneshot::channel();
                self.send(Task::Heal { generation, answer })?;
                healed.await.map_err(|_| Error::Closed)??;
            }
        }
        Err(Error::Io(io::Error::other("the store could not be opened again after a failure")))
    }

    /// The content of `upload` from `start` on, read by a thread of the pool; `None` where it is gone.
    pub(super) async fn piece(self: &Arc<Self>, upload: u64, start: u64, end: u64) -> Result<Option<Bytes>> {
        let (answer, piece) = oneshot::channel();
        let core = Arc::clone(self);
        self.pool.run(move || {
            if !answer.is_closed() {
                let read = core.snapshot().map(|s| guarded(|| s.piece(upload, start, end)));
                // Nobody may be waiting any more.
                let _ = answer.send(read);
            }
        })?;
        match piece.await.map_err(|_| Error::Closed)? {
            Some(Ok(piece)) => Ok(piece),
            // Rare: on the caller's thread, with its second try.
            Some(Err(_)) | None => self.read(|s| s.piece(upload, start, end).map(Ok)).await,
        }
    }

    pub(super) async fn change(&self, id: &Id, change: Change) -> Result<()> {
        let (answer, done) = oneshot::channel();
        self.send(Task::Change { id: *id, change, answer })?;
        done.await.map_err(|_| Error::Closed)?
    }

    async fn sweep_some(&self) -> Result<Sweep> {
        let (answer, done) = oneshot::channel();
        self.send(Task::Sweep { answer })?;
        done.await.map_err(|_| Error::Closed)?
    }

    /// Removes all that is due.
    pub(super) async fn sweep(&self) -> Result<Swept> {
        let mut swept = Swept::default();
        loop {
            let some = self.sweep_some().await?;
            swept.expired += some.swept.expired;
            swept.burnt += some.swept.burnt;
            swept.bytes += some.swept.bytes;
            if !some.more {
                return Ok(swept);
            }
        }
    }

    /// Takes `bytes` of the quota for an upload. What has expired makes room.
    pub(super) async fn reserve(&self, ticket: &mut Ticket, bytes: u64) -> Result<()> {
        let now = self.now();
        match ticket.reserve(bytes) {
            Err(Error::Quota { .. }) if self.read(|s| s.is_due(now).map(Ok)).await? => {
                self.sweep().await?;
                ticket.reserve(bytes)
            }
            other => other,
        }
    }

    pub(super) fn send(&self, task: Task) -> Result<()> {
        self.tasks.send(task).map_err(|_| Error::Closed)
    }
}
