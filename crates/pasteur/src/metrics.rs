//! What has happened, as Prometheus reads it.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;
use paf::Snapshot;
use paf::http::Limits;
use store::{Swept, Usage};

use crate::config::Memory;
use crate::route::Route;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) requests: Requests,
    pub(crate) created: Counter,
    pub(crate) created_bytes: Counter,
    pub(crate) read: Counter,
    pub(crate) read_bytes: Counter,
    pub(crate) claimed: Counter,
    pub(crate) burnt: Counter,
    pub(crate) deleted: Counter,
    pub(crate) expired: Counter,
    pub(crate) lapsed: Counter,
    pub(crate) wrong_tokens: Counter,
    pub(crate) limited_creations: Counter,
    pub(crate) limited_tokens: Counter,
    pub(crate) store_failures: Counter,
}

/// Requests by route and status, and how long they took to answer.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    routes: [RouteCounters; Route::COUNT],
}

#[derive(Debug, Default)]
struct RouteCounters {
    /// By hundreds: 1xx to 5xx.
    statuses: [Counter; 5],
    /// By the first bound that is not passed; the last is without bound.
    times: [Counter; BOUNDS.len() + 1],
    micros: Counter,
}

/// Upper bounds of the histogram's buckets in microseconds, and as Prometheus writes them.
const BOUNDS: [(u64, &str); 9] = [
    (250, "0.00025"),
    (1_000, "0.001"),
    (5_000, "0.005"),
    (25_000, "0.025"),
    (100_000, "0.1"),
    (500_000, "0.5"),
    (2_500_000, "2.5"),
    (10_000_000, "10"),
    (60_000_000, "60"),
];

impl Requests {
    pub(crate) fn record(&self, route: Route<'_>, status: StatusCode, took: Duration) {
        let counters = &self.routes[route.index()];
        let hundreds = usize::from(status.as_u16() / 100).clamp(1, 5);
        counters.statuses[hundreds - 1].add(1);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|(bound, _)| micros <= *bound).unwrap_or(BOUNDS.len());
        counters.times[bucket].add(1);
        counters.micros.add(micros);
    }

    fn write(&self, out: &mut String) {
        family(out, "pasteur_requests_total", "counter", "Requests answered, by route and status class.");
        for (name, counters) in Route::NAMES.iter().zip(&self.routes) {
            for (class, counter) in counters.statuses.iter().enumerate().filter(|(_, c)| c.value() > 0) {
                let value = counter.value();
                let _ = writeln!(out, "pasteur_requests_total{{route=\"{name}\",status=\"{}xx\"}} {value}", class + 1);
            }
        }
        let name = "pasteur_request_seconds";
        family(out, name, "histogram", "Time from a request's head to its answer's.");
        for (route, counters) in Route::NAMES.iter().zip(&self.routes) {
            let mut sum = 0;
            let bounds = BOUNDS.iter().map(|(_, text)| *text).chain(["+Inf"]);
            for (bound, counter) in bounds.zip(&counters.times) {
                sum += counter.value();
                let _ = writeln!(out, "{name}_bucket{{route=\"{route}\",le=\"{bound}\"}} {sum}");
            }
            let seconds = Duration::from_micros(counters.micros.value()).as_secs_f64();
            let _ = writeln!(out, "{name}_sum{{route=\"{route}\"}} {seconds}");
            let _ = writeln!(out, "{name}_count{{route=\"{route}\"}} {sum}");
        }
    }
}

impl Metrics {
    /// Counts what a sweep removed.
    pub(crate) fn swept(&self, swept: &Swept) {
        self.expired.add(swept.expired);
        self.lapsed.add(swept.burnt);
    }

    /// The text format, version 0.0.4. `limits` are those of the public listeners; `usage` is left out where the store could not tell it,
    /// `memory` where the world does not.
    pub(crate) fn text(
        &self,
        http: &Snapshot,
        limits: &Limits,
        usage: Option<Usage>,
        memory: Option<Memory>,
    ) -> String {
        let mut out = String::with_capacity(16 * 1024);
        self.requests.write(&mut out);
        let totals = [
            ("pasteur_pastes_created_total", "Pastes published.", self.created.value()),
            ("pasteur_created_bytes_total", "Bytes of content published.", self.created_bytes.value()),
            ("pasteur_reads_total", "Contents and ranges of them read.", self.read.value()),
            ("pasteur_read_bytes_total", "Bytes of content asked for.", self.read_bytes.value()),
            ("pasteur_claims_total", "Burning pastes claimed.", self.claimed.value()),
            ("pasteur_burnt_total", "Pastes burnt by their readers.", self.burnt.value()),
            ("pasteur_lapsed_total", "Pastes burnt because their lease ended.", self.lapsed.value()),
            ("pasteur_deleted_total", "Pastes deleted by their creators.", self.deleted.value()),
            ("pasteur_expired_total", "Pastes removed because their time was over.", self.expired.value()),
            ("pasteur_wrong_tokens_total", "Requests with a wrong token.", self.wrong_tokens.value()),
            ("pasteur_limited_creations_total", "Creations refused by rate.", self.limited_creations.value()),
            ("pasteur_limited_tokens_total", "Tokens refused by rate.", self.limited_tokens.value()),
            (
                "pasteur_store_failures_total",
                "Requests and sweeps that the store failed, a full one's among them.",
                self.store_failures.value(),
            ),
            ("pasteur_connections_accepted_total", "Connections accepted.", http.accepted),
            ("pasteur_connections_evicted_total", "Waiting connections closed for another.", http.evicted),
            ("pasteur_connections_idle_total", "Connections closed because nothing was asked for too long.", http.idle),
            ("pasteur_accept_errors_total", "Failures to accept a connection.", http.accept_errors),
            ("pasteur_http_requests_total", "Requests given to the application, or sent on to TLS.", http.requests),
            ("pasteur_http2_connections_total", "HTTP/2 connections.", http.http2),
            ("pasteur_http2_errors_total", "HTTP/2 connections ended by their client's fault.", http.http2_errors),
            (
                "pasteur_http2_refused_streams_total",
                "HTTP/2 streams refused because as many were open as may be.",
                http.refused_streams,
            ),
            (
                "pasteur_http2_overrun_windows_total",
                "HTTP/2 streams and connections ended because more came than a window allowed.",
                http.overrun_windows,
            ),
            ("pasteur_http3_connections_total", "HTTP/3 connections.", http.http3),
            ("pasteur_http3_errors_total", "HTTP/3 connections ended by their client's fault.", http.http3_errors),
            ("pasteur_quic_retries_total", "Newcomers by QUIC asked to prove their address first.", http.retries),
            ("pasteur_tls_handshakes_total", "TLS handshakes completed.", http.handshakes),
            ("pasteur_tls_resumptions_total", "TLS handshakes that resumed a session.", http.resumed),
            ("pasteur_tls_failures_total", "TLS handshakes that failed.", http.handshakes_failed),
            ("pasteur_received_bytes_total", "Bytes received.", http.received),
            ("pasteur_sent_bytes_total", "Bytes sent.", http.sent),
        ];
        for (name, help, value) in totals {
            family(&mut out, name, "counter", help);
            let _ = writeln!(out, "{name} {value}");
        }
        met_limits(&mut out, http);
        set_limits(&mut out, limits);
        let mut gauge = |name: &str, help: &str, value: u64| {
            family(&mut out, name, "gauge", help);
            let _ = writeln!(out, "{name} {value}");
        };
        gauge("pasteur_connections_open", "Connections open now.", http.open);
        if let Some(Memory { taken, whole }) = memory {
            gauge("pasteur_memory_taken_bytes", "Memory taken.", taken);
            gauge("pasteur_memory_bytes", "Memory that there is for the server to take.", whole);
        }
        if let Some(usage) = usage {
            gauge("pasteur_pastes", "Pastes stored.", usage.pastes);
            gauge("pasteur_stored_bytes", "Bytes stored, uploads under way included.", usage.bytes);
            if let Some(quota) = usage.quota {
                gauge("pasteur_quota_bytes", "The store's quota.", quota);
            }
        }
        out
    }
}

/// Where clients met a limit, by which one it was.
fn met_limits(out: &mut String, http: &Snapshot) {
    let mut kinds = |name: &str, help: &str, label: &str, kinds: &[(&str, u64)]| {
        family(out, name, "counter", help);
        for (kind, value) in kinds {
            let _ = writeln!(out, "{name}{{{label}=\"{kind}\"}} {value}");
        }
    };
    // Each is read by itself, so the parts may for a moment be more than the whole.
    kinds(
        "pasteur_connections_refused_total",
        "Connections refused for their number: in all, or of one client.",
        "limit",
        &[
            ("connections", http.refused.saturating_sub(http.refused_by_client)),
            ("connections_per_client", http.refused_by_client),
        ],
    );
    kinds(
        "pasteur_slow_clients_total",
        "Clients cut, or requests refused, for a head that did not come in time or a body below the least rate.",
        "what",
        &[("head", http.slow_heads), ("body", http.slow.saturating_sub(http.slow_heads))],
    );
    kinds(
        "pasteur_refused_heads_total",
        "Requests whose head was not HTTP, or of more bytes or lines than allowed.",
        "why",
        &[("malformed", http.malformed.saturating_sub(http.too_large)), ("too_large", http.too_large)],
    );
    kinds(
        "pasteur_http2_floods_total",
        "HTTP/2 connections cut for too many frames of a kind.",
        "frame",
        &[
            ("reset", http.flood_resets),
            ("ping", http.flood_pings),
            ("settings", http.flood_settings),
            ("other", http.flood_others),
        ],
    );
    kinds(
        "pasteur_http3_floods_total",
        "HTTP/3 connections cut for too many resets, or frames that carry nothing.",
        "frame",
        &[("reset", http.http3_flood_resets), ("other", http.http3_flood_others)],
    );
}

/// What the limits are, to be seen beside what meets them.
fn set_limits(out: &mut String, limits: &Limits) {
    let name = "pasteur_limit";
    family(
        out,
        name,
        "gauge",
        "What clients may do at most, or have to do at least; times in seconds, sizes in bytes.",
    );
    let seconds = |time: Duration| time.as_secs_f64();
    let count = |number: usize| number as f64;
    let (http2, http3) = (&limits.http2, &limits.http3);
    for (limit, value) in [
        ("connections", count(limits.connections)),
        ("connections_per_client", count(limits.connections_per_client)),
        ("head_bytes", count(limits.head_bytes)),
        ("head_lines", count(limits.head_lines)),
        ("head_seconds", seconds(limits.head_time)),
        ("idle_seconds", seconds(limits.idle_time)),
        ("body_bytes_per_second", limits.body_rate.into()),
        ("patience_seconds", seconds(limits.patience)),
        ("grace_seconds", seconds(limits.grace)),
        ("http2_streams", http2.streams.into()),
        ("http2_stream_window_bytes", http2.stream_window.into()),
        ("http2_connection_window_bytes", http2.connection_window.into()),
        ("http2_send_buffer_bytes", count(http2.send_buffer)),
        ("http2_resets_per_second", http2.resets.into()),
        ("http2_pings_per_second", http2.pings.into()),
        ("http2_settings_per_second", http2.settings.into()),
        ("http2_other_frames_per_second", http2.others.into()),
        ("http3_streams", http3.streams.into()),
        ("http3_stream_window_bytes", http3.stream_window.into()),
        ("http3_connection_window_bytes", http3.connection_window.into()),
        ("http3_send_window_bytes", http3.send_window.into()),
        ("http3_resets_per_second", http3.resets.into()),
        ("http3_other_frames_per_second", http3.others.into()),
        ("quic_unproven_handshakes", count(http3.unproven)),
    ] {
        let _ = writeln!(out, "{name}{{limit=\"{limit}\"}} {value}");
    }
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up() {
        let metrics = Metrics::default();
        metrics.store_failures.add(2);
        metrics.requests.record(Route::Health, StatusCode::OK, Duration::from_micros(100));
        metrics.requests.record(Route::Health, StatusCode::NOT_FOUND, Duration::from_secs(100));
        let http = Snapshot {
            refused: 5,
            refused_by_client: 2,
            slow: 3,
            slow_heads: 3,
            refused_streams: 7,
            overrun_windows: 8,
            ..Snapshot::default()
        };
        let usage = Usage { pastes: 3, bytes: 9, quota: Some(10) };
        let text = metrics.text(&http, &Limits::default(), Some(usage), Some(Memory { taken: 5, whole: 6 }));
        for line in [
            "pasteur_requests_total{route=\"/healthz\",status=\"2xx\"} 1",
            "pasteur_requests_total{route=\"/healthz\",status=\"4xx\"} 1",
            "pasteur_request_seconds_bucket{route=\"/healthz\",le=\"0.00025\"} 1",
            "pasteur_request_seconds_bucket{route=\"/healthz\",le=\"60\"} 1",
            "pasteur_request_seconds_bucket{route=\"/healthz\",le=\"+Inf\"} 2",
            "pasteur_request_seconds_count{route=\"/healthz\"} 2",
            "pasteur_request_seconds_sum{route=\"/healthz\"} 100.0001",
            "pasteur_store_failures_total 2",
            "pasteur_connections_refused_total{limit=\"connections\"} 3",
            "pasteur_connections_refused_total{limit=\"connections_per_client\"} 2",
            "pasteur_slow_clients_total{what=\"head\"} 3",
            "pasteur_slow_clients_total{what=\"body\"} 0",
            "pasteur_http2_refused_streams_total 7",
            "pasteur_http2_overrun_windows_total 8",
            "pasteur_limit{limit=\"connections\"} 16384",
            "pasteur_limit{limit=\"head_seconds\"} 10",
            "pasteur_limit{limit=\"http2_stream_window_bytes\"} 524288",
            "pasteur_pastes 3",
            "pasteur_quota_bytes 10",
            "pasteur_memory_taken_bytes 5",
            "pasteur_memory_bytes 6",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
