//! What a client has left of what it may do on a connection beside its requests.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use h3::error::Code;
use tokio::time::Instant;

use super::code;
use crate::Counters;
use crate::counters::count;
use crate::http::bucket::{BURST, Bucket};
use crate::http::limits::Limits;

/// How many of the longest heads a connection may have half arrived: what a head may be longer before it is known to be too long.
const HEADS: usize = 16;

/// Counts resets and frames that carry nothing, and ends a connection that has too many of them; knows how much of heads that are
/// still arriving is kept.
#[derive(Debug)]
pub(super) struct Meter {
    quic: quinn::Connection,
    pub(super) counters: Arc<Counters>,
    buckets: Mutex<Buckets>,
    /// Room for heads that arrive.
    room: AtomicUsize,
}

#[derive(Debug)]
struct Buckets {
    resets: Bucket,
    others: Bucket,
}

impl Meter {
    pub(super) fn new(quic: quinn::Connection, counters: Arc<Counters>, limits: &Limits) -> Self {
        let now = Instant::now();
        let bucket = |rate: u32| Bucket::new(rate, rate.saturating_mul(BURST), now);
        let buckets = Buckets { resets: bucket(limits.http3.resets), others: bucket(limits.http3.others) };
        let room = AtomicUsize::new(limits.head_bytes.saturating_mul(HEADS));
        Self { quic, counters, buckets: Mutex::new(buckets), room }
    }

    fn buckets(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request came, with which a client may say how urgent it is.
    pub(super) fn request(&self) {
        self.buckets().others.earn(1);
    }

    /// The client took a request back.
    pub(super) fn reset(&self) {
        let is_allowed = self.buckets().resets.take(Instant::now());
        if !is_allowed {
            self.end(&self.counters.http3_flood_resets, b"too many resets");
        }
    }

    /// A frame or a stream came that carries nothing for the handler; `false` where it was one too many.
    pub(super) fn other(&self) -> bool {
        let is_allowed = self.buckets().others.take(Instant::now());
        if !is_allowed {
            self.end(&self.counters.http3_flood_others, b"too many control frames");
        }
        is_allowed
    }

    /// Ends the connection, once.
    fn end(&self, counter: &AtomicU64, why: &[u8]) {
        if self.quic.close_reason().is_none() {
            count(counter);
            self.quic.close(code(Code::H3_EXCESSIVE_LOAD), why);
        }
    }

    /// Takes room for a frame that has to arrive whole; `false` where there is not enough.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        self.room.fetch_update(Relaxed, Relaxed, |room| room.checked_sub(bytes)).is_ok()
    }

    /// Gives it back.
    pub(super) fn release(&self, bytes: usize) {
        self.room.fetch_add(bytes, Relaxed);
    }
}
