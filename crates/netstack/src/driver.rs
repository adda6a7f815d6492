//! What moves a stack's frames.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::core::{Shared, lock};

/// How long at most a full card is waited for without looking at it.
const BLOCKED: Duration = Duration::from_millis(50);
/// How often timers that are due already are followed before others get their turn.
const TURNS: usize = 8;

/// Moves a stack's frames for as long as it is polled. It ends only where the card fails.
pub struct Driver {
    core: Shared,
    alarm: Option<Pin<Box<Sleep>>>,
}

/// The card failed: every flow is broken off.
#[derive(Debug, thiserror::Error)]
#[error("the network card failed: {0}")]
pub struct DriverError(#[from] io::Error);

impl Driver {
    pub(crate) fn new(core: Shared) -> Self {
        Self { core, alarm: None }
    }
}

impl Future for Driver {
    type Output = DriverError;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<DriverError> {
        let core = Arc::clone(&self.core);
        for _ in 0..TURNS {
            let mut core = lock(&core);
            let step = match core.step(cx.waker()) {
                Ok(step) => step,
                Err(error) => {
                    core.fail();
                    return Poll::Ready(error.into());
                }
            };
            drop(core);
            if step.more {
                break;
            }
            let Some(wait) = step.wait else { return Poll::Pending };
            let wait = if step.blocked { wait.max(BLOCKED) } else { wait };
            if wait.is_zero() {
                continue;
            }
            // A clock that counts milliseconds is asked again when they are over, not before.
            let until = Instant::now() + wait;
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(wait)));
            alarm.as_mut().reset(until);
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        // Others get their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}
