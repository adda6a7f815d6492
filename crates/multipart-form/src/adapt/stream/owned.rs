//! Fields that own their share of the form, for those who hand them on: to another task, or into a response.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_core::Stream;

use super::field::Form;
use super::pieces::{Pieces, Polled};
use crate::adapt::ReadError;
use crate::error::Error;
use crate::head::{Head, HeadBuf};

/// A [`Form`] whose fields are owned.
pub struct OwnedForm<P> {
    shared: Arc<Mutex<Shared<P>>>,
}

/// A field of an [`OwnedForm`]: a `Stream` of its bytes, and an [`http_body::Body`] with the feature `http-body`.
/// Dropping it early makes the form pass over the rest of it.
pub struct OwnedField<P: Pieces> {
    shared: Arc<Mutex<Shared<P>>>,
    head: HeadBuf,
    depth: usize,
    dropped: u64,
    ended: bool,
}

struct Shared<P> {
    form: Form<P>,
    /// A field is out and has not come to its end.
    busy: bool,
    /// Who waits for it to be given back.
    waiting: Option<Waker>,
}

impl<P: Pieces> OwnedForm<P> {
    pub(super) fn new(form: Form<P>) -> Self {
        Self { shared: Arc::new(Mutex::new(Shared { form, busy: false, waiting: None })) }
    }

    /// The next field, or `None` behind the last. It waits until the field before has been read to its end or dropped, so who
    /// keeps that in the same task waits for ever. Cancel safe.
    ///
    /// # Errors
    /// The form's fault or its source's.
    pub async fn next_field(&mut self) -> Result<Option<OwnedField<P>>, ReadError<P::Error>> {
        poll_fn(|cx| self.poll_next_field(cx)).await
    }

    /// [`next_field`](Self::next_field) as a poll.
    ///
    /// # Errors
    /// As there.
    pub fn poll_next_field(&mut self, cx: &mut Context<'_>) -> Polled<OwnedField<P>, P::Error> {
        let mut shared = ready!(self.poll_free(cx));
        if !ready!(shared.form.poll_field(cx))? {
            return Poll::Ready(Ok(None));
        }
        shared.busy = true;
        let (head, depth) = (shared.form.head().clone(), shared.form.depth());
        let field = OwnedField { shared: Arc::clone(&self.shared), head, depth, dropped: 0, ended: false };
        Poll::Ready(Ok(Some(field)))
    }
}

impl<P: Pieces> OwnedForm<P> {
    /// As [`Form::drain`]; it waits for the field before, as [`next_field`](Self::next_field) does.
    ///
    /// # Errors
    /// The form's fault or its source's.
    pub async fn drain(&mut self) -> Result<(), ReadError<P::Error>> {
        poll_fn(|cx| ready!(self.poll_free(cx)).form.poll_drain(cx)).await
    }

    /// The form, once no field of it is out.
    fn poll_free(&self, cx: &mut Context<'_>) -> Poll<MutexGuard<'_, Shared<P>>> {
        let mut shared = lock(&self.shared);
        if shared.busy {
            shared.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(shared)
    }
}

impl<P: Pieces> OwnedField<P> {
    /// Its header.
    #[must_use]
    pub fn head(&self) -> Head<'_> {
        self.head.as_head()
    }

    /// As [`FormField::depth`](super::FormField::depth).
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// How many of its bytes were dropped by [`Overflow::Truncate`](crate::Overflow::Truncate): known once its end has been read.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The next of its bytes, or `None` at its end. Cancel safe.
    ///
    /// # Errors
    /// The form's fault or its source's.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ReadError<P::Error>> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The rest of it, if that is at most `limit` bytes. Not cancel safe: what was collected is lost.
    ///
    /// # Errors
    /// The form's fault or its source's; [`Limit::BufferBytes`](crate::Limit::BufferBytes).
    pub async fn bytes(mut self, limit: usize) -> Result<Vec<u8>, ReadError<P::Error>> {
        self.collect(limit, |_, all| all).await
    }

    /// As [`FormField::text`](super::FormField::text).
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub async fn text(mut self, limit: usize) -> Result<String, ReadError<P::Error>> {
        self.collect(limit, |form, all| form.text_of(&all)).await
    }

    /// What `made` makes of the rest, before the form goes on.
    async fn collect<T>(
        &mut self,
        limit: usize,
        made: impl FnOnce(&mut Form<P>, Vec<u8>) -> T,
    ) -> Result<T, ReadError<P::Error>> {
        let mut all = Vec::new();
        while !self.ended {
            let piece = poll_fn(|cx| lock(&self.shared).form.poll_data(cx)).await;
            match piece {
                Ok(Some(piece)) if piece.len() > limit - all.len() => {
                    return Err(Error::buffer(&self.head(), limit).into());
                }
                Ok(Some(piece)) => all.extend_from_slice(&piece),
                Ok(None) => break,
                Err(error) => {
                    self.give_back();
                    return Err(error);
                }
            }
        }
        let made = {
            let form = &mut lock(&self.shared).form;
            form.read_whole(&all);
            made(form, all)
        };
        if !self.ended {
            self.give_back();
        }
        Ok(made)
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Polled<Bytes, P::Error> {
        if self.ended {
            return Poll::Ready(Ok(None));
        }
        let chunk = ready!(lock(&self.shared).form.poll_data(cx));
        if !matches!(chunk, Ok(Some(_))) {
            self.give_back();
        }
        Poll::Ready(chunk)
    }

    fn give_back(&mut self) {
        self.ended = true;
        let mut shared = lock(&self.shared);
        self.dropped = shared.form.dropped();
        shared.busy = false;
        if let Some(waiting) = shared.waiting.take() {
            waiting.wake();
        }
    }
}

impl<P: Pieces> Drop for OwnedField<P> {
    fn drop(&mut self) {
        if !self.ended {
            self.give_back();
        }
    }
}

impl<P: Pieces> Stream for OwnedField<P> {
    type Item = Result<Bytes, ReadError<P::Error>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_chunk(cx).map(Result::transpose)
    }
}

#[cfg(feature = "http-body")]
impl<P: Pieces> http_body::Body for OwnedField<P> {
    type Data = Bytes;
    type Error = ReadError<P::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.poll_chunk(cx).map(|chunk| chunk.transpose().map(|chunk| chunk.map(http_body::Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

/// A panic while it was held has left nothing half done that matters more than going on.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P> fmt::Debug for OwnedForm<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedForm").finish_non_exhaustive()
    }
}

impl<P: Pieces> fmt::Debug for OwnedField<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedField").field(&self.head).finish()
    }
}
