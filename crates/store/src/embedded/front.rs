//! The short way of a small paste: it is durable in the journal and can be read when it is answered, and the database
//! takes it over behind that, on a thread of its own. Everything else waits until it has.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::absorb::{Absorber, Fresh, Job};
use super::changes::Changes;
use super::fault::Fault;
use super::format::{INLINE, Totals, due_key, paste_key};
use super::journal::{Journal, Round};
use super::row::{Body, Paste, Row};
use super::task::{Done, Publish, Published, Task};
use super::writer::Writer;
use crate::Error;

/// Changes after which a record is written, whoever else waits.
const RECORD: usize = 512 << 10;

/// Fresh pastes that the absorber takes at once: the more, the more of them share the pages that they change.
const JOB: usize = 256;

/// Fresh pastes on their way into the database.
#[derive(Default)]
pub(super) struct Front {
    absorber: Option<Absorber>,
    /// The absorber has a job; it holds these pastes and bytes.
    busy: Option<Totals>,
    /// What no job holds yet.
    waiting: Vec<Fresh>,
    /// The round that the records go to, while the database still has the one before.
    next: Option<Round>,
    /// The absorber's job is to begin it.
    beginning: bool,
}

/// A paste to be, and whom to tell.
type Asked = (Box<Publish>, oneshot::Sender<Published>);

/// What one record is made of.
#[derive(Default)]
struct Record {
    changes: Changes,
    rows: Vec<Fresh>,
    asked: Vec<Asked>,
    totals: Totals,
}

impl Writer {
    /// Does what of `batch` can go the short way, and gives back the rest.
    pub(super) fn take_short_way(&mut self, batch: Vec<Task>) -> Vec<Task> {
        if !self.has_short_way() || !batch.iter().any(is_short) {
            return batch;
        }
        let mut rest = Vec::new();
        let mut record = Record { totals: self.totals, ..Record::default() };
        let mut tasks = batch.into_iter();
        for task in tasks.by_ref() {
            match task {
                Task::Publish { publish, answer } if is_short_paste(&publish) => {
                    match self.exists(&publish, &record) {
                        Ok(false) => record.add(publish, answer),
                        // Nobody may be waiting any more.
                        Ok(true) => drop(answer.send(Err((Error::Exists, publish.ticket)))),
                        Err(_) => {
                            rest.push(Task::Publish { publish, answer });
                            break;
                        }
                    }
                    if record.changes.0.len() >= RECORD && !self.write_down(&mut record, &mut rest) {
                        break;
                    }
                }
                other => rest.push(other),
            }
        }
        self.write_down(&mut record, &mut rest);
        rest.extend(tasks);
        rest
    }

    fn has_short_way(&self) -> bool {
        let journaled = self.journal.as_ref().is_some_and(Journal::is_open);
        let calm = self.wary == 0 && !self.may_tidy();
        let shared = self.options.group_commit && !self.options.quick_recovery;
        journaled && calm && shared && self.db.is_some()
    }

    fn exists(&self, publish: &Publish, record: &Record) -> Result<bool, Fault> {
        let key = paste_key(&publish.paste.id);
        if self.core.shelf.find(&key).is_some() || record.rows.iter().any(|fresh| fresh.key == key) {
            return Ok(true);
        }
        let Some(snapshot) = self.core.snapshot() else { return Err(Fault(Error::Closed)) };
        super::guard::guarded(|| snapshot.has(&key))
    }

    /// Makes `record` durable, shows its pastes and answers; where the journal has no place for it, all goes back to
    /// `rest`, and where the journal fails, they have failed. Says whether there can be another.
    fn write_down(&mut self, record: &mut Record, rest: &mut Vec<Task>) -> bool {
        let mut record = std::mem::replace(record, Record { totals: self.totals, ..Record::default() });
        if record.rows.is_empty() {
            return true;
        }
        record.changes.totals(record.totals);
        let (len, rows) = (record.changes.0.len(), record.rows.len());
        let written = match self.make_place(len, rows) {
            // The database was opened anew meanwhile, or there is no room.
            Ok(false) => {
                let task = |(publish, answer)| Task::Publish { publish, answer };
                rest.extend(record.asked.into_iter().map(task));
                return false;
            }
            Ok(true) => match &mut self.journal {
                Some(journal) => journal.append(&record.changes.0, rows, true).map_err(redb::StorageError::Io),
                None => Err(redb::StorageError::Io(std::io::ErrorKind::NotFound.into())),
            },
            Err(e) => Err(redb::StorageError::Io(e)),
        };
        match written {
            Ok(()) => {
                self.answer(record);
                true
            }
            Err(e) => {
                let task = |(publish, answer)| Task::Publish { publish, answer };
                let rest = self.fail_to_commit(record.asked.into_iter().map(task).collect(), &e.into());
                debug_assert!(rest.is_empty(), "all of it takes room");
                false
            }
        }
    }

    /// Sees to it that the journal takes a record of that length; `false` where it cannot.
    fn make_place(&mut self, len: usize, rows: usize) -> std::io::Result<bool> {
        if self.journal.as_mut().is_some_and(|journal| journal.takes(len, rows)) {
            return Ok(true);
        }
        while self.front.next.is_some() {
            if !self.wait_for_absorber() {
                return Ok(false);
            }
        }
        let Some(journal) = &mut self.journal else { return Ok(false) };
        if !journal.is_open() || !journal.can_turn() {
            return Ok(false);
        }
        self.front.next = Some(journal.turn()?);
        let takes = journal.takes(len, rows);
        self.give_job();
        Ok(takes)
    }

    fn answer(&mut self, mut record: Record) {
        self.core.shelf.put(&record.rows);
        self.undurable += record.totals.bytes - self.totals.bytes;
        self.totals = record.totals;
        self.core.ledger.set_pastes(self.totals.pastes);
        self.checkpointed = false;
        self.front.waiting.append(&mut record.rows);
        if self.front.waiting.len() >= JOB {
            self.give_job();
        }
        for (publish, answer) in record.asked {
            let task = Task::Publish { publish, answer };
            self.undo.extend(task.answer(Done::Unit(Ok(())), self.generation));
        }
    }

    /// Gives the absorber what waits, if it has nothing to do.
    fn give_job(&mut self) {
        let front = &mut self.front;
        if front.busy.is_some() || (front.waiting.is_empty() && front.next.is_none()) {
            return;
        }
        let Some(db) = &self.db else { return };
        if front.absorber.is_none() {
            // Without a thread, the next opening finds all of it in the journal; until then it is read from memory.
            front.absorber = Absorber::start(Arc::clone(&self.core)).ok();
        }
        let Some(absorber) = &front.absorber else { return };
        let rows = std::mem::take(&mut front.waiting);
        let held = Totals { pastes: rows.len() as u64, bytes: rows.iter().map(|fresh| fresh.size).sum() };
        let totals = Totals { pastes: self.totals.pastes - held.pastes, bytes: self.totals.bytes - held.bytes };
        let db = Arc::clone(db);
        let job = Job { db, generation: self.generation, rows, totals, round: front.next };
        front.beginning = front.next.is_some();
        front.busy = Some(held);
        if !absorber.give(job) {
            front.absorber = None;
        }
    }

    /// Takes over what the absorber has done, if it has.
    pub(super) fn look_at_absorber(&mut self) {
        if self.front.busy.is_some()
            && let Some(absorber) = &self.front.absorber
            && let Some(result) = absorber.poll()
        {
            self.absorbed(result);
        }
    }

    /// Waits until all fresh pastes are in the database; or, where that fails, until it was opened anew.
    pub(super) fn settle(&mut self) {
        while self.front.busy.is_some() || !self.front.waiting.is_empty() || self.front.next.is_some() {
            self.wait_for_absorber();
        }
    }

    /// Forgets what is on its way: the journal has it.
    pub(super) fn abandon(&mut self) {
        if self.front.busy.take().is_some()
            && let Some(absorber) = &self.front.absorber
        {
            // It is done over.
            let _ = absorber.wait();
        }
        self.front.waiting.clear();
        self.front.next = None;
        self.front.beginning = false;
    }

    /// Waits for one job; `false` where it failed and the database was opened anew.
    fn wait_for_absorber(&mut self) -> bool {
        self.give_job();
        let result = match &self.front.absorber {
            Some(absorber) if self.front.busy.is_some() => absorber.wait(),
            _ => Err(Fault(Error::Io(std::io::Error::other("no thread can be started")))),
        };
        self.absorbed(result)
    }

    fn absorbed(&mut self, result: Result<(), Fault>) -> bool {
        let held = self.front.busy.take();
        if let Err(fault) = result {
            if matches!(fault.0, Error::Full) {
                self.ceiling = Some(self.core.ledger.weight());
            }
            // A failure here shows at the next task.
            let _ = self.heal();
            return false;
        }
        if std::mem::take(&mut self.front.beginning) {
            self.front.next = None;
            self.undurable = self.front.waiting.iter().map(|fresh| fresh.size).sum();
            self.checkpointed = held.is_some() && self.front.waiting.is_empty();
        }
        if self.front.waiting.len() >= JOB || self.front.next.is_some() {
            self.give_job();
        }
        true
    }
}

impl Record {
    fn add(&mut self, publish: Box<Publish>, answer: oneshot::Sender<Published>) {
        let Publish { ticket, tail, paste, created_at } = &*publish;
        let key = paste_key(&paste.id);
        let row = Row::Paste(Paste {
            burn: paste.burn,
            read_hash: paste.read_hash,
            delete_hash: paste.delete_hash,
            created_at: *created_at,
            expires_at: paste.expires_at,
            claim: None,
            size: ticket.size,
            header: &paste.header,
            body: Body::Inline(tail),
        });
        let due = row.due();
        let row = row.encode();
        self.changes.paste(&key, Some(&row));
        if let Some(due) = due {
            self.changes.due(&due_key(due, &key), true);
        }
        self.totals.pastes += 1;
        self.totals.bytes += ticket.size;
        self.rows.push(Fresh { key, row: row.into(), due, size: ticket.size });
        self.asked.push((publish, answer));
    }
}

fn is_short(task: &Task) -> bool {
    matches!(task, Task::Publish { publish, .. } if is_short_paste(publish))
}

fn is_short_paste(publish: &Publish) -> bool {
    publish.ticket.stored == 0 && publish.tail.len() <= INLINE
}
