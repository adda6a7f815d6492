//! A bounded queue between parsing and saving.

use alloc::collections::VecDeque;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::pieces::{Piece, Pieces, Polled};
use crate::adapt::ReadError;

/// The end of the queue that gives pieces.
///
/// The ceiling: a queue of `n` bytes takes at most `2 * n` bytes of memory, and beyond that the piece that met the limit (one
/// chunk of the source, or one header) and the chunk that is being parsed. Each piece counts as 512 bytes and what it holds, so
/// that a flood of empty parts or of single bytes is bounded too; data is copied, so that a byte does not keep alive the buffer
/// that it came in.
///
/// The pump runs ahead: what is refused (by a limit, the strict layer, or a list of fields) is refused where the pump meets it,
/// though the reader may have passed over it later. Where that matters, let the reader decide by
/// [`Limits::allow`](crate::Limits::allow) and [`Overflow::Truncate`](crate::Overflow::Truncate) what is passed over.
pub struct Queue<E> {
    shared: Arc<Mutex<Shared<E>>>,
}

/// The end of the queue that parses: a future that is done when the form is, or when the [`Queue`] has been dropped. An error is
/// told to the reader of the queue, behind the pieces that came before it.
#[must_use = "nothing is parsed unless the pump is polled"]
pub struct Pump<P: Pieces> {
    pieces: P,
    limit: usize,
    shared: Arc<Mutex<Shared<P::Error>>>,
}

struct Shared<E> {
    pieces: VecDeque<Piece>,
    /// What the pieces count.
    held: usize,
    /// The form's end, behind the pieces.
    end: Option<Result<(), ReadError<E>>>,
    ended: bool,
    skip: bool,
    drain: bool,
    /// The reader's last piece was [`Piece::Enter`].
    entered: bool,
    /// Multiparts open inside each other in one that the reader passes over, itself included.
    passing: usize,
    /// One of the ends is gone.
    orphaned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

pub(super) fn new<P: Pieces>(pieces: P, limit: usize) -> (Queue<P::Error>, Pump<P>) {
    let shared = Arc::new(Mutex::new(Shared {
        pieces: VecDeque::new(),
        held: 0,
        end: None,
        ended: false,
        skip: false,
        drain: false,
        entered: false,
        passing: 0,
        orphaned: false,
        reader: None,
        writer: None,
    }));
    (Queue { shared: Arc::clone(&shared) }, Pump { pieces, limit, shared })
}

/// What a piece counts for its place in the queue.
const PLACE: usize = 512;

// A queue has room for twice the pieces it held at most, and keeps it: that may be as much again as it may hold. While it grows it
// has its places and twice as many beside them, which is less.
const _: () = assert!(2 * size_of::<Piece>() <= PLACE);

/// Pieces that are parsed before other tasks get their turn.
const TURN: u32 = 64;

/// What a piece counts: its place, and what it holds.
fn weight(piece: &Piece) -> usize {
    PLACE
        + match piece {
            Piece::Data(bytes) => bytes.len(),
            Piece::Part(head) | Piece::Enter(head) => head.memory(),
            Piece::End { .. } | Piece::Leave => 0,
        }
}

impl<P: Pieces> Future for Pump<P> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let pump = self.get_mut();
        for _ in 0..TURN {
            {
                let mut shared = lock(&pump.shared);
                if shared.orphaned || shared.ended {
                    return Poll::Ready(());
                }
                if core::mem::take(&mut shared.skip) {
                    pump.pieces.skip();
                }
                if core::mem::take(&mut shared.drain) {
                    pump.pieces.drain();
                }
                if shared.held >= pump.limit.max(1) {
                    shared.writer = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
            let Poll::Ready(piece) = pump.pieces.poll_piece(cx) else { return Poll::Pending };
            let mut shared = lock(&pump.shared);
            match piece {
                Ok(Some(mut piece)) => {
                    if let Piece::Data(bytes) = &mut piece {
                        *bytes = Bytes::copy_from_slice(bytes);
                    }
                    shared.held += weight(&piece);
                    shared.pieces.push_back(piece);
                }
                Ok(None) => (shared.end, shared.ended) = (Some(Ok(())), true),
                Err(error) => (shared.end, shared.ended) = (Some(Err(error)), true),
            }
            if let Some(reader) = shared.reader.take() {
                reader.wake();
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<E> Shared<E> {
    fn pop(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop_front()?;
        self.held -= weight(&piece);
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
        Some(piece)
    }

    /// The next piece that the reader wants.
    fn wanted(&mut self) -> Option<Piece> {
        loop {
            let piece = self.pop()?;
            self.entered = matches!(piece, Piece::Enter(_));
            if self.passing == 0 {
                return Some(piece);
            }
            match piece {
                Piece::Enter(_) => self.passing += 1,
                Piece::Leave => self.passing -= 1,
                _ => {}
            }
            if self.passing == 0 {
                return Some(piece);
            }
        }
    }
}

impl<E> Pieces for Queue<E> {
    type Error = E;

    /// A pump that was dropped before the form's end is an unexpected end of the form.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Polled<Piece, E> {
        let mut shared = lock(&self.shared);
        if let Some(piece) = shared.wanted() {
            return Poll::Ready(Ok(Some(piece)));
        }
        match shared.end.take() {
            Some(Err(ReadError::Form(error))) => {
                shared.end = Some(Err(error.clone().into()));
                Poll::Ready(Err(error.into()))
            }
            Some(Err(error)) => Poll::Ready(Err(error)),
            Some(Ok(())) => {
                shared.end = Some(Ok(()));
                Poll::Ready(Ok(None))
            }
            None if shared.ended || shared.orphaned => {
                Poll::Ready(Err(crate::Error::new(crate::ErrorKind::UnexpectedEof).into()))
            }
            None => {
                shared.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn skip(&mut self) {
        let mut shared = lock(&self.shared);
        if core::mem::take(&mut shared.entered) {
            // The parser may be anywhere inside, so that it is here where the multipart is passed over.
            shared.passing = 1;
            return;
        }
        while matches!(shared.pieces.front(), Some(Piece::Data(_))) {
            shared.pop();
        }
        // The parser is still in this part if its end is not here.
        shared.skip = shared.pieces.is_empty() && !shared.ended;
        if let Some(writer) = shared.writer.take() {
            writer.wake();
        }
    }

    fn drain(&mut self) {
        let mut shared = lock(&self.shared);
        shared.pieces.clear();
        shared.held = 0;
        shared.drain = !shared.ended;
        if let Some(writer) = shared.writer.take() {
            writer.wake();
        }
    }
}

impl<E> Drop for Queue<E> {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.orphaned = true;
        shared.pieces.clear();
        if let Some(writer) = shared.writer.take() {
            writer.wake();
        }
    }
}

impl<P: Pieces> Drop for Pump<P> {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.orphaned |= !shared.ended;
        if let Some(reader) = shared.reader.take() {
            reader.wake();
        }
    }
}

/// Nothing is left half done by a panic while it is held.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<E> fmt::Debug for Queue<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl<P: Pieces> fmt::Debug for Pump<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pump").field("limit", &self.limit).finish_non_exhaustive()
    }
}
