//! Two ends of a stream.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Delay, Sleep, split_mix};

/// Bytes on their way, each way; a writer waits for room.
const WINDOW: usize = 64 * 1024;

/// One end of a flow in memory. Dropping it ends the stream for the other end: what was written can still be read, then
/// comes the end, and writing fails.
#[derive(Debug)]
pub struct SimFlow {
    link: Arc<Mutex<Link>>,
    /// Which way this end writes.
    side: usize,
    /// The ends that the network has.
    ends: Arc<AtomicUsize>,
}

/// What befalls one flow.
#[derive(Debug)]
pub(super) struct Chances {
    pub(super) seed: u64,
    pub(super) split: bool,
    pub(super) delay: Option<Delay>,
    /// Bytes that the flow still carries.
    pub(super) left: u64,
}

#[derive(Debug)]
struct Link {
    ways: [Way; 2],
    chances: Option<Chances>,
    reset: bool,
}

#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    /// Nothing more comes.
    ended: bool,
    /// Nobody reads.
    deaf: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// What its reader and its writer still wait for, though they could go on.
    reading: Wait,
    writing: Wait,
}

/// A delay of one end of a way.
#[derive(Default)]
enum Wait {
    /// There is none, and one may be drawn.
    #[default]
    None,
    Until(Sleep),
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("bytes", &self.bytes.len()).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Wait {
    /// Whether the call goes through now.
    fn is_over(&mut self, chances: &mut Option<Chances>, cx: &mut Context<'_>) -> bool {
        if let (Self::None, Some(Chances { seed, delay: Some(delay), .. })) = (&*self, chances)
            && split_mix(seed).is_multiple_of(4)
        {
            let most = u64::try_from(delay.most.as_nanos()).unwrap_or(u64::MAX).max(1);
            *self = Self::Until((delay.sleep)(Duration::from_nanos(split_mix(seed) % most)));
        }
        if let Self::Until(sleep) = self
            && sleep.as_mut().poll(cx).is_pending()
        {
            return false;
        }
        *self = Self::None;
        true
    }
}

impl SimFlow {
    pub(super) fn pair(chances: Option<Chances>, ends: &Arc<AtomicUsize>) -> (Self, Self) {
        let link = Arc::new(Mutex::new(Link { ways: Default::default(), chances, reset: false }));
        ends.fetch_add(2, Ordering::Relaxed);
        let end = |side| Self { link: Arc::clone(&link), side, ends: Arc::clone(ends) };
        (end(0), end(1))
    }

    /// Breaks the flow off: both ends fail from now on, whatever was on its way.
    pub fn reset(self) {
        self.lock().reset();
    }

    fn lock(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// How many of `most` bytes go at once.
    fn some_of(&mut self, most: usize) -> usize {
        let Some(chances) = &mut self.chances else { return most };
        if !chances.split || most < 2 {
            return most;
        }
        match split_mix(&mut chances.seed) % 4 {
            0 => most,
            1 => 1,
            _ => 1 + usize::try_from(split_mix(&mut chances.seed) % most as u64).unwrap_or_default(),
        }
    }

    /// Takes `most` bytes from what the flow still carries; with the last it is reset.
    fn carry(&mut self, most: usize) -> usize {
        let Some(chances) = &mut self.chances else { return most };
        let carried = usize::try_from(chances.left).unwrap_or(usize::MAX).min(most);
        chances.left -= carried as u64;
        if chances.left == 0 {
            self.reset();
        }
        carried
    }

    fn reset(&mut self) {
        self.reset = true;
        for way in &mut self.ways {
            wake(&mut way.reader);
            wake(&mut way.writer);
        }
    }
}

impl AsyncRead for SimFlow {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut link = self.lock();
        if link.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let way = &mut link.ways[1 - self.side];
        let most = out.remaining().min(way.bytes.len());
        if most == 0 {
            if way.ended || out.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            way.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Link { ways, chances, .. } = &mut *link;
        if !ways[1 - self.side].reading.is_over(chances, cx) {
            return Poll::Pending;
        }
        let count = link.some_of(most);
        let way = &mut link.ways[1 - self.side];
        let (front, back) = way.bytes.as_slices();
        let first = front.len().min(count);
        out.put_slice(&front[..first]);
        out.put_slice(&back[..count - first]);
        way.bytes.drain(..count);
        wake(&mut way.writer);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SimFlow {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut link = self.lock();
        if link.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let way = &mut link.ways[self.side];
        if way.deaf || way.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let most = data.len().min(WINDOW - way.bytes.len());
        if most == 0 {
            if data.is_empty() {
                return Poll::Ready(Ok(0));
            }
            way.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Link { ways, chances, .. } = &mut *link;
        if !ways[self.side].writing.is_over(chances, cx) {
            return Poll::Pending;
        }
        let count = link.some_of(most);
        let count = link.carry(count);
        let way = &mut link.ways[self.side];
        way.bytes.extend(&data[..count]);
        wake(&mut way.reader);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let way = &mut self.lock().ways[self.side];
        way.ended = true;
        wake(&mut way.reader);
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimFlow {
    fn drop(&mut self) {
        let mut link = self.lock();
        let out = &mut link.ways[self.side];
        out.ended = true;
        wake(&mut out.reader);
        let back = &mut link.ways[1 - self.side];
        back.deaf = true;
        wake(&mut back.writer);
        drop(link);
        self.ends.fetch_sub(1, Ordering::Relaxed);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
