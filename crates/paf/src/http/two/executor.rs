//! Runs the streams of a connection on the connection's own task: they end with it, and take turns with nobody else's.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::http::state::State;
use crate::http::stream::Stream;

/// Where hyper hands in the futures of streams.
#[derive(Clone, Default)]
pub(super) struct Executor(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    /// The stream whose future comes next.
    next: Option<Arc<Stream>>,
    new: Vec<Running>,
}

/// The futures of a connection's streams.
pub(super) struct Running {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    guard: Option<Guard>,
}

/// Takes the stream off its connection when dropped.
struct Guard {
    stream: Arc<Stream>,
    connection: Arc<State>,
}

/// Every stream of a connection.
pub(super) struct Streams {
    executor: Executor,
    running: FuturesUnordered<Running>,
}

impl Executor {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next future is `stream`'s.
    pub(super) fn announce(&self, stream: Arc<Stream>) {
        self.waiting().next = Some(stream);
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, future: F) {
        let mut waiting = self.waiting();
        let stream = waiting.next.take();
        let guard = stream.map(|stream| Guard { connection: Arc::clone(stream.connection()), stream });
        waiting.new.push(Running { future: Box::pin(future), guard });
    }
}

impl Streams {
    pub(super) fn new(executor: Executor) -> Self {
        Self { executor, running: FuturesUnordered::new() }
    }

    /// Lets streams go on; `true` where one of them ended or was new, so that there may be something to send.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let new = std::mem::take(&mut self.executor.waiting().new);
        let mut moved = !new.is_empty();
        self.running.extend(new);
        while let Poll::Ready(Some(())) = self.running.poll_next_unpin(cx) {
            moved = true;
        }
        moved
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        // What hyper handed in and nobody polled ends with the rest, and outside of the lock.
        let new = std::mem::take(&mut self.executor.waiting().new);
        drop(new);
    }
}

impl Future for Running {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(guard) = &self.guard {
            guard.stream.task.register(cx.waker());
            if guard.stream.is_cancelled() {
                return Poll::Ready(());
            }
        }
        self.future.as_mut().poll(cx)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.connection.closed(&self.stream);
    }
}
