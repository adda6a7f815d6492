//! The log: one line for each request and each event, without addresses, ids or tokens unless the operator asks for
//! addresses.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use device::Timestamp;
use http::{Method, StatusCode};
use paf::Client;

use crate::config::{Config, LogFormat};
use crate::route::Route;

/// Takes finished lines. It must not wait: requests are answered while it is called.
pub trait Sink: Send + Sync + 'static {
    /// Takes one line, which ends in a line feed.
    fn line(&self, line: &str);
}

/// Bytes of bodies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    /// Of the request's body, as far as it was read.
    pub(crate) received: u64,
    /// Of the answer's body, as it was announced.
    pub(crate) sent: u64,
}

/// Writes lines in one format to a sink, or nothing.
#[derive(Clone)]
pub struct Log {
    out: Option<(LogFormat, Arc<dyn Sink>)>,
    clients: bool,
}

impl Log {
    /// A log as the configuration wants it.
    pub fn new(config: &Config, sink: Arc<dyn Sink>) -> Self {
        Self { out: config.log.map(|format| (format, sink)), clients: config.log_clients }
    }

    /// A log that keeps nothing.
    #[must_use]
    pub fn none() -> Self {
        Self { out: None, clients: false }
    }

    /// Tells of something that happened; `text` holds nothing that a stranger sent.
    pub fn event(&self, now: Timestamp, level: &'static str, text: &str) {
        let Some((format, sink)) = &self.out else { return };
        let mut line = start(*format, now, level);
        match format {
            LogFormat::Text => writeln!(line, " {text}"),
            LogFormat::Json => writeln!(line, ",\"message\":{}}}", serde_json::Value::from(text)),
        }
        .unwrap_or_default();
        sink.line(&line);
    }

    #[expect(clippy::too_many_arguments, reason = "one line needs all of it, and a struct would only rename it")]
    pub(crate) fn request(
        &self,
        now: Timestamp,
        method: &Method,
        route: Route<'_>,
        status: StatusCode,
        took: Duration,
        moved: Moved,
        client: Client,
    ) {
        let Some((format, sink)) = &self.out else { return };
        let mut line = start(*format, now, "info");
        let (method, route, status) = (known(method), route.name(), status.as_u16());
        let Moved { received, sent } = moved;
        let micros = took.as_micros();
        let (millis, rest) = (micros / 1000, micros % 1000);
        let written = match format {
            LogFormat::Text => {
                write!(line, " {method} {route} {status} {millis}.{rest:03}ms in={received} out={sent}")
            }
            LogFormat::Json => write!(
                line,
                ",\"method\":\"{method}\",\"route\":\"{route}\",\"status\":{status},\"ms\":{millis}.{rest:03},\
                 \"in\":{received},\"out\":{sent}"
            ),
        };
        written.unwrap_or_default();
        if self.clients {
            match format {
                LogFormat::Text => write!(line, " client={client}"),
                LogFormat::Json => write!(line, ",\"client\":\"{client}\""),
            }
            .unwrap_or_default();
        }
        line.push_str(if *format == LogFormat::Json { "}\n" } else { "\n" });
        sink.line(&line);
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("format", &self.out.as_ref().map(|(format, _)| format)).finish_non_exhaustive()
    }
}

/// A line's beginning.
fn start(format: LogFormat, now: Timestamp, level: &str) -> String {
    let mut line = String::with_capacity(192);
    let time = Rfc3339(now);
    match format {
        LogFormat::Text => write!(line, "{time} {level}"),
        LogFormat::Json => write!(line, "{{\"time\":\"{time}\",\"level\":\"{level}\""),
    }
    .unwrap_or_default();
    line
}

/// A method's name; a stranger's invention is not repeated.
fn known(method: &Method) -> &'static str {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::POST,
        Method::HEAD,
        Method::DELETE,
        Method::OPTIONS,
        Method::PUT,
        Method::PATCH,
        Method::TRACE,
        Method::CONNECT,
    ];
    const NAMES: [&str; 9] = ["GET", "POST", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "TRACE", "CONNECT"];
    KNOWN.iter().position(|m| m == method).map_or("OTHER", |at| NAMES[at])
}

/// A time as RFC 3339 has it, in UTC.
struct Rfc3339(Timestamp);

impl std::fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.0;
        let (days, of_day) = (seconds / 86400, seconds % 86400);
        // Days since 0000-03-01, so that a leap day ends its year; 400 years repeat.
        let days = days + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_time() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(Rfc3339(Timestamp(seconds)).to_string(), text);
        }
    }

    #[test]
    fn a_strange_method_is_not_repeated() {
        assert_eq!(known(&Method::from_bytes(b"EVIL").unwrap()), "OTHER");
        assert_eq!(known(&Method::DELETE), "DELETE");
    }
}
