//! What one stream is doing: the pace of its request's body and of its answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use crate::http::limits::Limits;
use crate::http::pace::Pace;
use crate::http::state::State;
use crate::http::upload::Upload;

/// One request of an HTTP/2 connection and its answer.
///
/// A client has to keep the service's pace on each stream, shared by as many as it has open: streams may take turns,
/// but one whose window stays closed does not stay.
#[derive(Debug)]
pub(in crate::http) struct Stream {
    connection: Arc<State>,
    /// Wakes the stream's future once it is cancelled.
    pub(super) task: AtomicWaker,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    upload: Upload,
    download: Pace,
    /// Bytes of the answer that were handed over last, and that the client is waited for to make room for.
    given: usize,
    cancelled: bool,
}

/// What is overdue on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    Upload,
    Download,
}

impl Stream {
    pub(super) fn new(connection: Arc<State>, limits: &Limits) -> Self {
        let pace = Pace::new(limits.patience, limits.body_rate);
        let inner = Inner { upload: Upload::new(pace), download: pace, given: 0, cancelled: false };
        Self { connection, task: AtomicWaker::new(), inner: Mutex::new(inner) }
    }

    /// The connection it belongs to.
    pub(super) fn connection(&self) -> &Arc<State> {
        &self.connection
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handler waits for the request's body. `Err` if the client was too slow.
    pub(in crate::http) fn upload_wait(&self, waker: &Waker) -> Result<(), ()> {
        self.inner().upload.wait(waker)
    }

    /// Bytes of the request's body came.
    pub(in crate::http) fn upload_moved(&self, bytes: usize) {
        let share = self.connection.streams_open();
        self.inner().upload.moved(bytes.saturating_mul(share));
    }

    /// The request's body is over, one way or the other.
    pub(in crate::http) fn upload_over(&self) {
        self.inner().upload.over();
    }

    /// There is room for more of the answer.
    pub(in crate::http) fn download_asked(&self) {
        let share = self.connection.streams_open();
        let mut inner = self.inner();
        if inner.download.is_waiting() {
            let bytes = inner.given.saturating_mul(share);
            inner.download.moved(Instant::now(), bytes);
        }
        inner.given = 0;
    }

    /// A piece of the answer was handed over; the client has to make room for the next.
    pub(in crate::http) fn download_given(&self, bytes: usize) {
        let mut inner = self.inner();
        inner.given = bytes;
        inner.download.wait(Instant::now());
    }

    /// The handler has answered, so from now on the client is waited for.
    pub(in crate::http) fn answer_begins(&self) {
        self.inner().download.wait(Instant::now());
    }

    /// What is overdue at `now`.
    pub(super) fn overdue(&self, now: Instant) -> Option<Overdue> {
        let inner = self.inner();
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        match () {
            () if passed(inner.upload.deadline()) => Some(Overdue::Upload),
            () if passed(inner.download.deadline()) => Some(Overdue::Download),
            () => None,
        }
    }

    /// When something may be overdue.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let inner = self.inner();
        [inner.upload.deadline(), inner.download.deadline()].into_iter().flatten().min()
    }

    /// Since when this stream has kept the service waiting; `None` while the service itself is at work on it.
    pub(in crate::http) fn waiting_since(&self) -> Option<Instant> {
        let inner = self.inner();
        inner.upload.behind_since().or(inner.download.behind_since())
    }

    /// The handler is told that the body comes too slowly.
    pub(super) fn fail_upload(&self) {
        self.inner().upload.fail();
    }

    /// Ends the stream, which is then reset.
    pub(super) fn cancel(&self) {
        self.inner().cancelled = true;
        self.task.wake();
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.inner().cancelled
    }
}
