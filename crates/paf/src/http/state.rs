//! What a connection is doing, shared by its task, its flow, its bodies and the table.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::limits::Limits;
use super::pace::Pace;
use super::stream::Stream;
use super::upload::Upload;

/// What a connection is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// Go on.
    Run = 0,
    /// Close once the open request is answered.
    Finish = 1,
    /// Close now.
    Cut = 2,
}

/// An order that only grows: one that was given before is never taken back.
#[derive(Debug, Default)]
pub(super) struct AtomicOrder(AtomicU8);

impl AtomicOrder {
    pub(super) fn give(&self, order: Order) {
        self.0.fetch_max(order as u8, Ordering::Release);
    }

    pub(super) fn get(&self) -> Order {
        match self.0.load(Ordering::Acquire) {
            0 => Order::Run,
            1 => Order::Finish,
            _ => Order::Cut,
        }
    }
}

/// Where a connection is between two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for the first byte of a request.
    Idle,
    /// A head is arriving.
    Head,
    /// The handler has the request, or its answer is being sent.
    Busy,
}

/// A deadline that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// No request came.
    Idle,
    /// The head took too long.
    Head,
    /// The request's body came too slowly.
    Upload,
    /// The answer was taken too slowly.
    Download,
}

#[derive(Debug)]
pub(super) struct State {
    order: AtomicOrder,
    /// Wakes the connection's task for an order.
    pub(super) task: AtomicWaker,
    /// Whether a request's body was dropped before its end: bytes of it may still come.
    pub(super) unread: AtomicBool,
    /// Whether somebody still has a request's body that arrives.
    pub(super) arriving: AtomicBool,
    /// Streams open on an HTTP/2 connection.
    open: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    since: Instant,
    first: bool,
    upload: Upload,
    download: Pace,
    /// Whether all that was answered so far has gone out.
    flushed: bool,
    /// What is open on an HTTP/2 connection.
    streams: Vec<Arc<Stream>>,
    /// When the frame of HTTP/2 that has begun has to be whole, and what it is otherwise.
    frame: Option<(Instant, Overdue)>,
}

impl State {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        let pace = Pace::new(limits.patience, limits.body_rate);
        let inner = Inner {
            phase: Phase::Idle,
            since: now,
            first: true,
            upload: Upload::new(pace),
            download: pace,
            flushed: true,
            streams: Vec::new(),
            frame: None,
        };
        Self {
            order: AtomicOrder::default(),
            task: AtomicWaker::new(),
            unread: AtomicBool::new(false),
            arriving: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            inner: Mutex::new(inner),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an order, and wakes who has to follow it.
    pub(super) fn give(&self, order: Order) {
        self.order.give(order);
        self.task.wake();
    }

    pub(super) fn order(&self) -> Order {
        self.order.get()
    }

    /// When a connection on which everything is answered and read has been idle for `time`.
    pub(super) fn idle_for(&self, time: Duration) -> Option<Instant> {
        let inner = self.inner();
        let over = inner.phase == Phase::Idle && inner.flushed && !inner.first;
        let read = !self.arriving.load(Ordering::Relaxed) && !self.unread.load(Ordering::Relaxed);
        (over && read).then_some(inner.since + time)
    }

    /// Bytes came in.
    pub(super) fn received(&self) {
        let mut inner = self.inner();
        if inner.phase == Phase::Idle {
            inner.phase = Phase::Head;
            // The first head's time runs from the connection's opening.
            if !inner.first {
                inner.since = Instant::now();
            }
        }
    }

    /// The handler was given a request.
    pub(super) fn dispatched(&self) {
        let mut inner = self.inner();
        inner.phase = Phase::Busy;
        inner.first = false;
        inner.flushed = false;
        inner.upload.begin();
    }

    /// The last piece of the answer was handed over.
    pub(super) fn answered(&self) {
        let mut inner = self.inner();
        inner.phase = Phase::Idle;
        inner.since = Instant::now();
        inner.upload.over();
    }

    /// Bytes went out, after a wait or at once.
    pub(super) fn sent(&self, bytes: usize) {
        let mut inner = self.inner();
        if inner.download.is_waiting() {
            inner.download.moved(Instant::now(), bytes);
        }
    }

    /// The client does not take more bytes now.
    pub(super) fn send_blocked(&self) {
        self.inner().download.wait(Instant::now());
    }

    /// Everything handed over has gone out.
    pub(super) fn flushed(&self) {
        let mut inner = self.inner();
        inner.download.reset();
        if inner.phase != Phase::Busy && !inner.flushed {
            inner.flushed = true;
            inner.since = Instant::now();
        }
    }

    /// Whether bytes written now can only be the HTTP library's own answer to a bad head.
    pub(super) fn is_own_answer(&self) -> bool {
        let inner = self.inner();
        inner.phase != Phase::Busy && inner.flushed
    }

    /// The handler waits for the request's body. `Err` if the client was too slow.
    pub(super) fn upload_wait(&self, waker: &Waker) -> Result<(), ()> {
        self.inner().upload.wait(waker)
    }

    /// Bytes of the request's body came.
    pub(super) fn upload_moved(&self, bytes: usize) {
        self.inner().upload.moved(bytes);
    }

    /// The request's body is over, one way or the other.
    pub(super) fn upload_over(&self) {
        self.inner().upload.over();
    }

    /// The handler is told that the body comes too slowly.
    pub(super) fn fail_upload(&self) {
        self.inner().upload.fail();
    }

    /// Since when this connection has kept the service waiting; `None` while the service itself is at work.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let inner = self.inner();
        match inner.phase {
            Phase::Idle | Phase::Head if inner.flushed => Some(inner.since),
            // A connection with streams waits only where each of them does.
            _ if !inner.streams.is_empty() => {
                let waits = inner.streams.iter().map(|stream| stream.waiting_since());
                waits.collect::<Option<Vec<_>>>()?.into_iter().max()
            }
            _ => inner.upload.behind_since().or(inner.download.behind_since()),
        }
    }

    /// A frame has begun and has to be whole by then, or is.
    pub(super) fn wait_for_frame(&self, frame: Option<(Instant, Overdue)>) {
        self.inner().frame = frame;
    }

    /// A stream was opened.
    pub(super) fn opened(&self, stream: Arc<Stream>) {
        let mut inner = self.inner();
        inner.phase = Phase::Busy;
        inner.first = false;
        inner.streams.push(stream);
        self.open.store(inner.streams.len(), Ordering::Relaxed);
    }

    /// A stream is over.
    pub(super) fn closed(&self, stream: &Arc<Stream>) {
        let mut inner = self.inner();
        inner.streams.retain(|open| !Arc::ptr_eq(open, stream));
        self.open.store(inner.streams.len(), Ordering::Relaxed);
        if inner.streams.is_empty() {
            inner.phase = Phase::Idle;
            inner.since = Instant::now();
        }
    }

    /// The streams that are open.
    pub(super) fn streams(&self) -> Vec<Arc<Stream>> {
        self.inner().streams.clone()
    }

    /// How many streams are open.
    pub(super) fn streams_open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// What is overdue at `now`, or the next moment at which something may be.
    pub(super) fn overdue(&self, limits: &Limits, now: Instant) -> Result<Instant, Overdue> {
        let inner = self.inner();
        let phase = match inner.phase {
            // An answer is still on its way: the pace of the download decides.
            _ if !inner.flushed => None,
            Phase::Idle if inner.first => {
                let what = inner.frame.map_or(Overdue::Idle, |(_, what)| what);
                Some((inner.since + limits.head_time, what))
            }
            Phase::Idle => Some((inner.since + limits.idle_time, Overdue::Idle)),
            Phase::Head => Some((inner.since + limits.head_time, Overdue::Head)),
            Phase::Busy => None,
        };
        let upload = inner.upload.deadline().map(|at| (at, Overdue::Upload));
        let download = inner.download.deadline().map(|at| (at, Overdue::Download));
        let earliest = [phase, upload, download, inner.frame].into_iter().flatten().min_by_key(|(at, _)| *at);
        // A wait that begins just after this look is noticed at the next, at most so much late.
        let look_again = now + limits.patience.min(limits.head_time).min(limits.idle_time);
        match earliest {
            Some((at, what)) if at <= now => Err(what),
            Some((at, _)) => Ok(at.min(look_again)),
            None => Ok(look_again),
        }
    }
}
