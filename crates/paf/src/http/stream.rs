//! What one stream is doing: the pace of its request's body and of its answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::limits::Limits;
use super::pace::Pace;
use super::state::State;
use super::table::Seat;
use super::upload::Upload;
use crate::counters::count;

/// One request of an HTTP/2 or HTTP/3 connection and its answer.
///
/// A client has to keep the service's pace on each stream, shared by as many as it has open: streams may take turns,
/// but one whose window stays closed does not stay.
#[derive(Debug)]
pub(super) struct Stream {
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
enum Overdue {
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
    pub(super) fn upload_wait(&self, waker: &Waker) -> Result<(), ()> {
        self.inner().upload.wait(waker)
    }

    /// Bytes of the request's body came.
    pub(super) fn upload_moved(&self, bytes: usize) {
        let share = self.connection.streams_open();
        self.inner().upload.moved(bytes.saturating_mul(share));
    }

    /// The request's body is over, one way or the other.
    pub(super) fn upload_over(&self) {
        self.inner().upload.over();
    }

    /// There is room for more of the answer.
    pub(super) fn download_asked(&self) {
        let share = self.connection.streams_open();
        let mut inner = self.inner();
        if inner.download.is_waiting() {
            let bytes = inner.given.saturating_mul(share);
            inner.download.moved(Instant::now(), bytes);
        }
        inner.given = 0;
    }

    /// A piece of the answer was handed over; the client has to make room for the next.
    pub(super) fn download_given(&self, bytes: usize) {
        let mut inner = self.inner();
        inner.given = bytes;
        inner.download.wait(Instant::now());
    }

    /// All of the answer was handed over, and `bytes` at most of it are still to be taken, which they are in one go.
    #[cfg(feature = "h3")]
    pub(super) fn answer_ends(&self, pace: Pace, bytes: usize) {
        let mut inner = self.inner();
        let now = Instant::now();
        inner.download = pace.saving(std::time::Duration::MAX);
        inner.download.moved(now, bytes);
        inner.download.wait(now);
    }

    /// The handler has answered, so from now on the client is waited for.
    pub(super) fn answer_begins(&self) {
        self.inner().download.wait(Instant::now());
    }

    /// What is overdue at `now`.
    fn overdue(&self, now: Instant) -> Option<Overdue> {
        let inner = self.inner();
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        match () {
            () if passed(inner.upload.deadline()) => Some(Overdue::Upload),
            () if passed(inner.download.deadline()) => Some(Overdue::Download),
            () => None,
        }
    }

    /// When something may be overdue.
    fn deadline(&self) -> Option<Instant> {
        let inner = self.inner();
        [inner.upload.deadline(), inner.download.deadline()].into_iter().flatten().min()
    }

    /// Since when this stream has kept the service waiting; `None` while the service itself is at work on it.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let inner = self.inner();
        inner.upload.behind_since().or(inner.download.behind_since())
    }

    /// The handler is told that the body comes too slowly.
    fn fail_upload(&self) {
        self.inner().upload.fail();
    }

    /// Ends the stream, which is then reset.
    fn cancel(&self) {
        self.inner().cancelled = true;
        self.task.wake();
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.inner().cancelled
    }
}

/// Ends what is overdue, and gives the moment at which something may be next.
pub(super) fn end_slow(seat: &Seat, now: Instant) -> Instant {
    let limits = &seat.shared.limits;
    let mut next = now + limits.patience;
    for stream in seat.state.streams() {
        match stream.overdue(now) {
            Some(what) => {
                count(&seat.shared.counters.slow);
                match what {
                    Overdue::Upload => stream.fail_upload(),
                    Overdue::Download => stream.cancel(),
                }
            }
            None => next = next.min(stream.deadline().unwrap_or(next)),
        }
    }
    next
}
