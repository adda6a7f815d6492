//! Content on its way in: cut into pieces that the writer stores while the rest still comes.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::core::Core;
use super::format::full_piece;
use super::task::{Piece, Publish, Task, Ticket};
use crate::{Error, NewPaste, Result, Upload};

/// Buffers grow as content comes up to here, and are then made for a whole piece.
pub(super) const GROW: usize = 64 * 1024;
/// The smallest piece that an upload hands over before its end, where all together hold as much as may be: so uploads that stall hold
/// little more than that, and this each.
const LEAST: usize = 16 * 1024;

/// An upload to the embedded store. It holds at most two pieces of 1 MiB in memory, and less where many uploads are
/// under way, or contents have little memory.
///
/// Dropping a `write` or `publish` before it returns ends the upload: drop it, too.
pub struct EmbeddedUpload {
    core: Arc<Core>,
    /// `None` once it is over.
    ticket: Option<Ticket>,
    buffer: Vec<u8>,
    /// What is counted of the buffer among all uploads'.
    counted: usize,
    /// The piece that the writer has now.
    storing: Option<oneshot::Receiver<Result<u64>>>,
}

impl EmbeddedUpload {
    pub(super) fn new(core: Arc<Core>) -> Self {
        let ticket = Ticket::new(Arc::clone(&core.ledger), core.tasks.clone());
        Self { core, ticket: Some(ticket), buffer: Vec::new(), counted: 0, storing: None }
    }

    async fn append(&mut self, ticket: &mut Ticket, mut data: Bytes) -> Result<()> {
        self.core.reserve(ticket, data.len() as u64).await?;
        while !data.is_empty() {
            let piece = self.core.piece;
            let part = data.split_to(data.len().min(piece - self.buffer.len()));
            let mut crowded = self.core.buffered.load(Relaxed) > self.core.contents;
            if self.buffer.len() + part.len() > GROW && !crowded {
                // Where there is no memory for it, smaller ones do.
                crowded = self.buffer.try_reserve_exact(piece - self.buffer.len()).is_err();
            }
            self.buffer.extend_from_slice(&part);
            self.count();
            if self.buffer.len() == piece || (crowded && self.buffer.len() >= LEAST) {
                self.store(ticket).await?;
            }
        }
        Ok(())
    }

    fn count(&mut self) {
        // What is reserved, not what is filled: that is the memory.
        let held = self.buffer.capacity();
        // Wraps around where it is less: the sum comes out right.
        self.core.buffered.fetch_add(held.wrapping_sub(self.counted), Relaxed);
        self.counted = held;
    }

    /// Hands the buffer to the writer, as far as it fills a page, once it has stored the piece before.
    async fn store(&mut self, ticket: &mut Ticket) -> Result<()> {
        self.stored().await?;
        // Until there is room, what waits is counted.
        let room = Arc::clone(&self.core.room).acquire_owned().await.map_err(|_| Error::Closed)?;
        let rest = self.buffer.split_off(full_piece(self.buffer.len()));
        let data = Bytes::from(std::mem::replace(&mut self.buffer, rest));
        self.count();
        let (answer, storing) = oneshot::channel();
        let piece =
            Piece { upload: ticket.upload, offset: ticket.stored, generation: ticket.generation, data: data.clone() };
        ticket.stored += data.len() as u64;
        self.core.send(Task::Piece { piece, answer, room })?;
        if ticket.generation.is_none() {
            // The first piece fixes the generation: wait for it.
            ticket.generation = Some(storing.await.map_err(|_| Error::Closed)??);
        } else {
            self.storing = Some(storing);
        }
        Ok(())
    }

    async fn stored(&mut self) -> Result<()> {
        match self.storing.take() {
            Some(storing) => storing.await.map_err(|_| Error::Closed)?.map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for EmbeddedUpload {
    fn drop(&mut self) {
        self.core.buffered.fetch_sub(self.counted, Relaxed);
    }
}

impl Upload for EmbeddedUpload {
    async fn write(&mut self, data: Bytes) -> Result<()> {
        let mut ticket = self.ticket.take().ok_or_else(over)?;
        self.append(&mut ticket, data).await?;
        self.ticket = Some(ticket);
        Ok(())
    }

    async fn publish(&mut self, paste: NewPaste) -> Result<()> {
        if paste.header.len() > usize::from(u16::MAX) {
            return Err(invalid("a public header has at most 65535 bytes"));
        }
        let ticket = self.ticket.take().ok_or_else(over)?;
        self.stored().await?;
        let tail = Bytes::from(std::mem::take(&mut self.buffer));
        let (answer, published) = oneshot::channel();
        let publish = Publish { ticket, tail: tail.clone(), paste, created_at: self.core.now() };
        self.core.send(Task::Publish { publish: Box::new(publish), answer })?;
        match published.await.map_err(|_| Error::Closed)? {
            Ok(()) => Ok(()),
            Err((Error::Exists, ticket)) => {
                self.ticket = Some(ticket);
                // The only other holder of the tail was the task, so this copies nothing.
                self.buffer = tail.into();
                Err(Error::Exists)
            }
            Err((e, _)) => Err(e),
        }
    }
}

fn over() -> Error {
    invalid("the upload is over: it was published or it failed")
}

fn invalid(what: &str) -> Error {
    Error::Io(std::io::Error::new(std::io::ErrorKind::InvalidInput, what))
}
