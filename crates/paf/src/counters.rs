//! What a service has done so far, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::http::Refusal;

/// Running totals of a service. Each is exact; together they are not one moment's.
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) refused_by_client: AtomicU64,
    pub(crate) evicted: AtomicU64,
    pub(crate) idle: AtomicU64,
    pub(crate) slow: AtomicU64,
    pub(crate) slow_heads: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) too_large: AtomicU64,
    pub(crate) accept_errors: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) http2: AtomicU64,
    pub(crate) handshakes: AtomicU64,
    pub(crate) resumed: AtomicU64,
    pub(crate) handshakes_failed: AtomicU64,
    pub(crate) flood_resets: AtomicU64,
    pub(crate) flood_pings: AtomicU64,
    pub(crate) flood_settings: AtomicU64,
    pub(crate) flood_others: AtomicU64,
    pub(crate) http2_errors: AtomicU64,
    pub(crate) refused_streams: AtomicU64,
    pub(crate) overrun_windows: AtomicU64,
    pub(crate) http3: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) http3_flood_resets: AtomicU64,
    pub(crate) http3_flood_others: AtomicU64,
    pub(crate) http3_errors: AtomicU64,
}

/// One reading of [`Counters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Connections accepted, among them those refused.
    pub accepted: u64,
    /// Connections refused because a limit on their number was reached.
    pub refused: u64,
    /// Those of them that one client had too many of.
    pub refused_by_client: u64,
    /// Waiting connections closed to make room for another.
    pub evicted: u64,
    /// Connections closed because nothing was asked for too long.
    pub idle: u64,
    /// Connections cut, or requests refused, because the client was too slow.
    pub slow: u64,
    /// Those of them whose head did not come in time.
    pub slow_heads: u64,
    /// Requests that were not HTTP, or whose head was too large.
    pub malformed: u64,
    /// Those of them whose head was too large.
    pub too_large: u64,
    /// Failures to accept.
    pub accept_errors: u64,
    /// Connections open now.
    pub open: u64,
    /// Requests given to the handler.
    pub requests: u64,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
    /// HTTP/2 connections.
    pub http2: u64,
    /// TLS handshakes completed.
    pub handshakes: u64,
    /// TLS handshakes that resumed a session.
    pub resumed: u64,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: u64,
    /// HTTP/2 connections cut for too many resets.
    pub flood_resets: u64,
    /// HTTP/2 connections cut for too many pings.
    pub flood_pings: u64,
    /// HTTP/2 connections cut for too many settings.
    pub flood_settings: u64,
    /// HTTP/2 connections cut for too many other control frames.
    pub flood_others: u64,
    /// HTTP/2 connections ended because the client broke the protocol or a limit of its own.
    pub http2_errors: u64,
    /// HTTP/2 streams refused because as many were open as may be.
    pub refused_streams: u64,
    /// HTTP/2 streams and connections ended because more came than a window allowed.
    pub overrun_windows: u64,
    /// HTTP/3 connections.
    pub http3: u64,
    /// Newcomers by QUIC that were asked to prove their address first.
    pub retries: u64,
    /// HTTP/3 connections cut for too many resets.
    pub http3_flood_resets: u64,
    /// HTTP/3 connections cut for too many frames and streams that carry nothing.
    pub http3_flood_others: u64,
    /// HTTP/3 connections ended because the client broke the protocol.
    pub http3_errors: u64,
}

impl Counters {
    /// Counts what never reaches the handler.
    pub(crate) fn refuse(&self, why: Refusal) {
        match why {
            Refusal::Full | Refusal::FullForClient => count(&self.refused),
            Refusal::TooSlow => {
                count(&self.slow);
                count(&self.slow_heads);
            }
            Refusal::HeadTooLarge | Refusal::TooManyLines | Refusal::TargetTooLong => {
                count(&self.malformed);
                count(&self.too_large);
            }
            Refusal::Malformed | Refusal::BadHost | Refusal::NotTls => count(&self.malformed),
        }
    }

    /// Reads them.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            accepted: self.accepted.load(Relaxed),
            refused: self.refused.load(Relaxed),
            refused_by_client: self.refused_by_client.load(Relaxed),
            evicted: self.evicted.load(Relaxed),
            idle: self.idle.load(Relaxed),
            slow: self.slow.load(Relaxed),
            slow_heads: self.slow_heads.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
            too_large: self.too_large.load(Relaxed),
            accept_errors: self.accept_errors.load(Relaxed),
            open: self.open.load(Relaxed),
            requests: self.requests.load(Relaxed),
            received: self.received.load(Relaxed),
            sent: self.sent.load(Relaxed),
            http2: self.http2.load(Relaxed),
            handshakes: self.handshakes.load(Relaxed),
            resumed: self.resumed.load(Relaxed),
            handshakes_failed: self.handshakes_failed.load(Relaxed),
            flood_resets: self.flood_resets.load(Relaxed),
            flood_pings: self.flood_pings.load(Relaxed),
            flood_settings: self.flood_settings.load(Relaxed),
            flood_others: self.flood_others.load(Relaxed),
            http2_errors: self.http2_errors.load(Relaxed),
            refused_streams: self.refused_streams.load(Relaxed),
            overrun_windows: self.overrun_windows.load(Relaxed),
            http3: self.http3.load(Relaxed),
            retries: self.retries.load(Relaxed),
            http3_flood_resets: self.http3_flood_resets.load(Relaxed),
            http3_flood_others: self.http3_flood_others.load(Relaxed),
            http3_errors: self.http3_errors.load(Relaxed),
        }
    }
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
