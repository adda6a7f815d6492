//! A few threads that read pieces, so that a slow disk holds up no thread of the callers' runtime.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

type Work = Box<dyn FnOnce() + Send>;

/// Starts a thread when there is work and none is idle, up to a limit. Dropping it ends them.
#[derive(Clone)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    // Counts the handles: the threads hold `shared` alone.
    _handle: Arc<Handle>,
}

struct Shared {
    limit: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    threads: usize,
    idle: usize,
    closed: bool,
}

struct Handle(Arc<Shared>);

impl Pool {
    pub(super) fn new(limit: usize) -> Self {
        let shared = Arc::new(Shared { limit, state: Mutex::default(), wake: Condvar::new() });
        Self { _handle: Arc::new(Handle(Arc::clone(&shared))), shared }
    }

    /// Runs `work` soon, in its turn.
    ///
    /// # Errors
    /// Where no thread can be started and none is there.
    pub(super) fn run(&self, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.queue.push_back(Box::new(work));
        if state.idle < state.queue.len() && state.threads < self.shared.limit {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("store-read".to_owned()).stack_size(super::STACK);
            match thread.spawn(move || shared.work()) {
                Ok(_) => state.threads += 1,
                Err(e) if state.threads == 0 => {
                    state.queue.pop_back();
                    return Err(e);
                }
                Err(_) => {}
            }
        }
        drop(state);
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.queue.pop_front() {
                drop(state);
                work();
                state = self.lock();
            } else if state.closed {
                return;
            } else {
                state.idle += 1;
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.wake.notify_all();
    }
}
