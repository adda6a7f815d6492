//! What the writer's thread is asked to do, and what an upload owns until then.

use std::sync::Arc;

use api::Id;
use bytes::Bytes;
use device::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::apply::Ledgered;
use super::fault::Fault;
use super::journal::LOGGED;
use super::ledger::Ledger;
use crate::{Claim, Error, NewPaste, Result, Swept};

/// One thing to do.
#[derive(Debug)]
pub(super) enum Task {
    /// Stores a piece of an upload; the answer is the database's generation.
    Piece { piece: Piece, answer: oneshot::Sender<Result<u64>>, room: OwnedSemaphorePermit },
    /// Makes a paste of an upload.
    Publish { publish: Box<Publish>, answer: oneshot::Sender<Published> },
    /// Changes a paste.
    Change { id: Id, change: Change, answer: oneshot::Sender<Result<()>> },
    /// Removes what is due, up to some number of rows.
    Sweep { answer: oneshot::Sender<Result<Sweep>> },
    /// Removes the pieces of an upload that was given up.
    Discard { upload: u64 },
    /// Opens the database anew, if `generation` still is the one that failed a reader.
    Heal { generation: u64, answer: oneshot::Sender<Result<()>> },
    /// Says when all that was answered is in the database.
    Settle { answer: oneshot::Sender<()> },
    /// The thread that takes over fresh pastes has done its job.
    Absorbed,
    /// Makes everything durable and ends the thread.
    Close { answer: Option<oneshot::Sender<Result<()>>> },
}

/// A piece of an upload's content.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) upload: u64,
    pub(super) offset: u64,
    pub(super) data: Bytes,
    /// The database's generation at the upload's first piece; `None` for that piece itself.
    pub(super) generation: Option<u64>,
}

/// An upload that is to become a paste.
#[derive(Debug)]
pub(super) struct Publish {
    pub(super) ticket: Ticket,
    /// What was not yet stored as a piece.
    pub(super) tail: Bytes,
    pub(super) paste: NewPaste,
    pub(super) created_at: Timestamp,
}

/// How a publication ended; where it failed, the upload comes back.
pub(super) type Published = std::result::Result<(), (Error, Ticket)>;

/// How a paste is changed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Claim(Claim),
    Renew { lease_hash: [u8; 32], until: Timestamp },
    Delete,
    Burn,
}

/// What was done and must not stay: whoever asked was told that it failed, or has left before the answer. Hashes are
/// of tokens that nobody else has, so that another's paste or claim is never taken for it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Undo {
    Publish { id: Id, delete_hash: [u8; 32] },
    Claim { id: Id, lease_hash: [u8; 32] },
}

/// What one round of sweeping did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sweep {
    pub(super) swept: Swept,
    /// Rows that were due, tombstones among them.
    pub(super) rows: usize,
    /// There may be more that is due.
    pub(super) more: bool,
}

/// One task's outcome.
pub(super) enum Done {
    Unit(Result<()>),
    Sweep(Sweep),
}

/// What an upload owns: bytes of the quota, and pieces. Dropping it gives both back.
#[derive(Debug)]
pub(super) struct Ticket {
    ledger: Arc<Ledger>,
    tasks: mpsc::UnboundedSender<Task>,
    /// The upload's number.
    pub(super) upload: u64,
    /// Bytes of content, all of them counted in the ledger.
    pub(super) size: u64,
    /// Bytes in pieces, and the database's generation that has them.
    pub(super) stored: u64,
    pub(super) generation: Option<u64>,
}

impl Ticket {
    pub(super) fn new(ledger: Arc<Ledger>, tasks: mpsc::UnboundedSender<Task>) -> Self {
        let upload = ledger.next_upload();
        Self { ledger, tasks, upload, size: 0, stored: 0, generation: None }
    }

    /// Takes `bytes` more of the quota.
    pub(super) fn reserve(&mut self, bytes: u64) -> Result<()> {
        self.ledger.reserve(bytes)?;
        self.size += bytes;
        Ok(())
    }

    /// Leaves bytes and pieces to the paste that was made of them.
    pub(super) fn spend(&mut self) {
        self.size = 0;
        self.stored = 0;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.ledger.release(self.size);
        if self.stored > 0 {
            // Where the store is closed, the next opening finds the pieces.
            let _ = self.tasks.send(Task::Discard { upload: self.upload });
        }
    }
}

impl Task {
    /// Bytes of content it brings.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Piece { piece, .. } => piece.data.len(),
            Self::Publish { publish, .. } => publish.tail.len(),
            _ => 0,
        }
    }

    /// Whether it brings content.
    pub(super) fn takes_room(&self) -> bool {
        matches!(self, Self::Piece { .. } | Self::Publish { .. })
    }

    /// Whether the database itself makes it durable: it is long, or its pieces are in no journal, or it is a good time.
    pub(super) fn is_for_the_database(&self) -> bool {
        match self {
            Self::Publish { publish, .. } => publish.ticket.stored > 0 || publish.tail.len() > LOGGED,
            Self::Sweep { .. } => true,
            _ => false,
        }
    }

    /// Whether its answer promises that it survives a loss of power.
    pub(super) fn must_be_durable(&self) -> bool {
        match self {
            Self::Change { change, .. } => !matches!(change, Change::Renew { .. }),
            Self::Publish { .. } | Self::Sweep { .. } => true,
            _ => false,
        }
    }

    pub(super) fn apply(&self, changes: &mut Ledgered<'_>) -> std::result::Result<Done, Fault> {
        Ok(match self {
            Self::Piece { piece, .. } => Done::Unit(changes.piece(piece)?),
            Self::Publish { publish, .. } => Done::Unit(changes.publish(publish)?),
            Self::Change { id, change, .. } => Done::Unit(changes.change(id, change)?),
            Self::Sweep { .. } => Done::Sweep(changes.sweep()?),
            Self::Discard { .. } | Self::Heal { .. } | Self::Settle { .. } | Self::Absorbed | Self::Close { .. } => {
                Done::Unit(Ok(()))
            }
        })
    }

    /// How to take it back; `None` where it stays done even if nobody hears of it.
    pub(super) fn undo(&self) -> Option<Undo> {
        match self {
            Self::Publish { publish, .. } => {
                Some(Undo::Publish { id: publish.paste.id, delete_hash: publish.paste.delete_hash })
            }
            Self::Change { id, change: Change::Claim(claim), .. } => {
                Some(Undo::Claim { id: *id, lease_hash: claim.lease_hash })
            }
            _ => None,
        }
    }

    /// Whether nobody waits for its answer, so that it must not be done.
    pub(super) fn is_unheard(&self) -> bool {
        match self {
            Self::Publish { answer, .. } => answer.is_closed(),
            Self::Change { answer, change: Change::Claim(_), .. } => answer.is_closed(),
            _ => false,
        }
    }

    /// Tells whoever asked; says what to undo where nobody waits any more.
    pub(super) fn answer(self, done: Done, generation: u64) -> Option<Undo> {
        let undo = self.undo();
        match (self, done) {
            (Self::Piece { answer, room, .. }, Done::Unit(result)) => {
                drop(room);
                let _ = answer.send(result.map(|()| generation));
            }
            (Self::Publish { mut publish, answer }, Done::Unit(result)) => {
                let result = match result {
                    Ok(()) => {
                        publish.ticket.spend();
                        Ok(())
                    }
                    Err(e) => Err((e, publish.ticket)),
                };
                if let Err(Ok(())) = answer.send(result) {
                    return undo;
                }
            }
            (Self::Change { answer, .. }, Done::Unit(result)) => {
                if let Err(Ok(())) = answer.send(result) {
                    return undo;
                }
            }
            (Self::Sweep { answer }, done) => {
                let _ = answer.send(match done {
                    Done::Sweep(sweep) => Ok(sweep),
                    Done::Unit(result) => result.map(|()| Sweep::default()),
                });
            }
            _ => {}
        }
        None
    }
}

impl Done {
    pub(super) fn changed_nothing(&self) -> bool {
        match self {
            Self::Unit(result) => result.is_err(),
            Self::Sweep(sweep) => !sweep.more && sweep.rows == 0,
        }
    }
}
