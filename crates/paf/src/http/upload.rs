//! A request's body on its way in: its pace, and the handler that waits for it.

use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::pace::Pace;

/// How long a client may pause that has sent enough before: a minute for every 60 KiB at the default rate.
const SAVED: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Upload {
    pace: Pace,
    waker: Option<Waker>,
    slow: bool,
}

impl Upload {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace: pace.saving(SAVED), waker: None, slow: false }
    }

    /// A request came, so that another body begins.
    pub(super) fn begin(&mut self) {
        self.slow = false;
        self.pace.reset();
    }

    /// The handler waits for it. `Err` if the client was too slow.
    pub(super) fn wait(&mut self, waker: &Waker) -> Result<(), ()> {
        if self.slow {
            return Err(());
        }
        self.pace.wait(Instant::now());
        match &self.waker {
            Some(known) if known.will_wake(waker) => {}
            _ => self.waker = Some(waker.clone()),
        }
        Ok(())
    }

    /// Bytes of it came.
    pub(super) fn moved(&mut self, bytes: usize) {
        if self.pace.is_waiting() {
            self.pace.moved(Instant::now(), bytes);
        }
    }

    /// It is over, one way or the other.
    pub(super) fn over(&mut self) {
        self.pace.reset();
        self.waker = None;
    }

    /// The handler is told that it comes too slowly.
    pub(super) fn fail(&mut self) {
        self.slow = true;
        self.pace.reset();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// As [`Pace::behind_since`].
    pub(super) fn behind_since(&self) -> Option<Instant> {
        self.pace.behind_since()
    }

    /// As [`Pace::deadline`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pace.deadline()
    }
}
