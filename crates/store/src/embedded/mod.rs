//! The embedded store: redb over any block device (docs/store.md).

mod absorb;
mod apply;
mod audit;
mod changes;
mod core;
mod extent;
mod fault;
mod format;
mod front;
mod guard;
mod journal;
mod ledger;
mod pool;
mod reader;
mod room;
mod row;
mod snapshot;
mod task;
mod upload;
mod writer;

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use api::Id;
use device::{Block, Clock, Timestamp};
use tokio::sync::{mpsc, oneshot};

pub use self::audit::Audit;
use self::core::Core;
use self::extent::Extent;
pub use self::guard::catches_panics;
use self::ledger::Ledger;
pub use self::reader::EmbeddedReader;
use self::reader::Rest;
use self::snapshot::Source;
use self::task::{Change, Task};
pub use self::upload::EmbeddedUpload;
use self::writer::Writer;
use crate::{Claim, Error, Record, Result, Store, Swept, Usage};

/// A thread's stack: redb's trees are not deep.
const STACK: usize = 256 << 10;

/// How an embedded store is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Bytes of content that the store takes, uploads under way among them; `None` is no quota.
    pub quota: Option<u64>,
    /// Bytes of memory for pages, read and not yet written.
    pub cache_bytes: usize,
    /// Bytes of content that uploads under way hold in memory, all together, and readers as many: about, as each upload and each reader
    /// has some of it. The more there are, the smaller are the pieces then.
    pub contents_bytes: usize,
    /// Whether tasks that wait share a transaction. Without it each is committed by itself; this is for comparison.
    pub group_commit: bool,
    /// Whether every durable commit, and not only a sweep's, records which pages are free. Recovery after a crash then takes no time,
    /// where it otherwise reads the whole store, but each commit flushes twice and writes 64 bytes a MiB stored.
    pub quick_recovery: bool,
    /// Where small commits are made durable by one write in a row; `None` lets the database make each durable. A store
    /// that was not closed needs the journal that it had. It takes 8 MiB, and is not written where there is no room (its device
    /// is one that can tell), or where the store's device cannot grow.
    pub journal: Option<Arc<dyn Block>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            quota: None,
            cache_bytes: 8 << 20,
            contents_bytes: 16 << 20,
            group_commit: true,
            quick_recovery: false,
            journal: None,
        }
    }
}

/// A paste store in one block device. Its clones are the same store; with the last, it is closed.
///
/// It needs no runtime: threads of its own write, and up to four read large contents. Records and small contents
/// are read on the caller's thread, since a page in memory is nearer than another thread.
#[derive(Clone)]
pub struct Embedded {
    core: Arc<Core>,
    _handle: Arc<Handle>,
}

/// Closes the store when the last clone is dropped.
struct Handle {
    tasks: mpsc::UnboundedSender<Task>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Embedded {
    /// Opens the store on `block`, or makes one where the block is empty or holds zeros. This blocks: after a crash it checks all
    /// that is stored, unless the last commit before it was a sweep's or [`Options::quick_recovery`] was set.
    ///
    /// # Errors
    /// `Format` where the block holds something else or another version's store, `Damaged`, `Locked`, `Full`, `Io`.
    pub fn open(block: impl Block, options: Options, clock: Arc<dyn Clock>) -> Result<Self> {
        let extent = Arc::new(Extent::new(Arc::new(block)));
        let (db, found) = writer::open(&extent, &options).map_err(|fault| fault.0)?;
        let (tasks, waiting) = mpsc::unbounded_channel();
        let ledger = Ledger::new(options.quota, found.totals.pastes, found.totals.bytes, found.next_upload);
        let core = Arc::new(Core::new(clock, ledger, options.contents_bytes, tasks.clone()));
        let writer = Writer::new(extent, options, Arc::clone(&core), waiting, db, found).map_err(|fault| fault.0)?;
        let thread = thread::Builder::new().name("store-write".to_owned()).stack_size(STACK);
        let thread = thread.spawn(move || writer.run())?;
        Ok(Self { core, _handle: Arc::new(Handle { tasks, thread: Mutex::new(Some(thread)) }) })
    }

    /// Reads the whole store and checks that its tables agree: for tests, and for an operator in doubt.
    /// It blocks the caller's thread.
    ///
    /// # Errors
    /// `Damaged` with what does not agree; `Io`, `Closed`.
    pub async fn audit(&self) -> Result<Audit> {
        self.core.settle().await?;
        self.core.read(|s| s.audit().map(Ok)).await
    }
}

impl Store for Embedded {
    type Upload = EmbeddedUpload;
    type Reader = EmbeddedReader;

    async fn begin(&self) -> Result<EmbeddedUpload> {
        if self.core.tasks.is_closed() {
            return Err(Error::Closed);
        }
        Ok(EmbeddedUpload::new(Arc::clone(&self.core)))
    }

    async fn find(&self, id: &Id) -> Result<Record> {
        self.core.look_up(id, |paste| paste.record(id)).await
    }

    async fn read(&self, id: &Id, range: Range<u64>) -> Result<EmbeddedReader> {
        let rest = match self.core.look_up(id, Source::of).await? {
            Source::Inline(content) => {
                let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(content.len());
                let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
                Rest::Inline(content.slice(start..end))
            }
            Source::Pieces { upload, size } => Rest::Pieces { upload, start: range.start, end: range.end.min(size) },
        };
        Ok(EmbeddedReader::new(Arc::clone(&self.core), *id, rest))
    }

    async fn claim(&self, id: &Id, claim: Claim) -> Result<()> {
        self.core.change(id, Change::Claim(claim)).await
    }

    async fn renew(&self, id: &Id, lease_hash: &[u8; 32], until: Timestamp) -> Result<()> {
        self.core.change(id, Change::Renew { lease_hash: *lease_hash, until }).await
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.core.change(id, Change::Delete).await
    }

    async fn burn(&self, id: &Id) -> Result<()> {
        self.core.change(id, Change::Burn).await
    }

    async fn sweep(&self) -> Result<Swept> {
        self.core.sweep().await
    }

    async fn usage(&self) -> Result<Usage> {
        if self.core.tasks.is_closed() {
            return Err(Error::Closed);
        }
        Ok(self.core.ledger.usage())
    }

    async fn close(&self) -> Result<()> {
        let (answer, closed) = oneshot::channel();
        self.core.send(Task::Close { answer: Some(answer) })?;
        closed.await.map_err(|_| Error::Closed)?
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Where the store was closed, there is nobody to tell.
        let _ = self.tasks.send(Task::Close { answer: None });
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The thread catches what panics in it.
            let _ = thread.join();
        }
    }
}
