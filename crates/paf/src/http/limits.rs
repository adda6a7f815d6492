//! How much of the service a stranger may use.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{Response, StatusCode};

use crate::Net;

/// The limits of a service. The defaults suit a public server behind no proxy. A time that is longer than thirty years is thirty years.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at once, in all.
    pub connections: usize,
    /// Connections open at once from one [`crate::Client`]; 0 is no limit.
    pub connections_per_client: usize,
    /// Whose connections are not counted by client: reverse proxies.
    pub exempt: Vec<Net>,
    /// The longest request head in bytes; at least 1024.
    pub head_bytes: usize,
    /// The most header lines in a request.
    pub head_lines: usize,
    /// How long a request's head may take from its first byte, and the first head from the connection's opening.
    pub head_time: Duration,
    /// How long a connection may stay idle between requests.
    pub idle_time: Duration,
    /// The slowest pace of bodies, in bytes a second, both ways. Only time spent waiting for the client counts.
    pub body_rate: u32,
    /// How long a client may fall behind that pace before it is cut. A request's body that came faster has saved time: up to ten minutes.
    pub patience: Duration,
    /// What HTTP/2 adds.
    pub http2: Http2Limits,
    /// What HTTP/3 adds.
    pub http3: Http3Limits,
    /// How long open requests may take to finish once the service is stopped.
    pub grace: Duration,
    /// Makes the answer to what never reaches the handler, of these limits. In HTTP/1.1 the connection is closed after it.
    pub refuse: fn(Refusal, &Limits) -> Response<Bytes>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16 * 1024,
            connections_per_client: 512,
            exempt: Vec::new(),
            head_bytes: 16 * 1024,
            head_lines: 64,
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(75),
            body_rate: 1024,
            patience: Duration::from_secs(30),
            http2: Http2Limits::default(),
            http3: Http3Limits::default(),
            grace: Duration::from_secs(30),
            refuse: plain_refusal,
        }
    }
}

/// A time of which the sum with any clock's is one.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

impl Limits {
    /// The same, with times that can be added to others.
    pub(super) fn bounded(mut self) -> Self {
        for time in [&mut self.head_time, &mut self.idle_time, &mut self.patience, &mut self.grace] {
            *time = (*time).min(LONGEST);
        }
        self
    }

    /// The answer to what never reaches the handler, as a whole HTTP/1.1 message.
    pub(super) fn refusal(&self, why: Refusal) -> Bytes {
        let (head, body) = (self.refuse)(why, self).into_parts();
        let mut message = BytesMut::with_capacity(1024 + body.len());
        message.put(format!("HTTP/1.1 {}\r\n", head.status).as_bytes());
        for (name, value) in &head.headers {
            message.put(name.as_str().as_bytes());
            message.put(&b": "[..]);
            message.put(value.as_bytes());
            message.put(&b"\r\n"[..]);
        }
        message.put(format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());
        message.put(body);
        message.freeze()
    }
}

/// The limits of an HTTP/2 connection. Of frames, ten times as many as are allowed in a second may come at once; a client
/// that sends more is told so (ENHANCE_YOUR_CALM) and cut.
#[derive(Clone, Debug)]
pub struct Http2Limits {
    /// Streams open at once.
    pub streams: u32,
    /// Bytes of a request's body that a client may send ahead on a stream.
    pub stream_window: u32,
    /// The same over all streams of a connection.
    pub connection_window: u32,
    /// Bytes of an answer that wait, on each stream, for a client that does not take them.
    pub send_buffer: usize,
    /// Streams that a client may reset in a second.
    pub resets: u32,
    /// PING frames in a second.
    pub pings: u32,
    /// SETTINGS frames in a second.
    pub settings: u32,
    /// Other frames that carry nothing, in a second: empty data, priorities, continuations, acknowledgements, unknown
    /// ones; and window updates that answer nothing sent.
    pub others: u32,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            streams: 100,
            stream_window: 512 * 1024,
            connection_window: 1024 * 1024,
            send_buffer: 64 * 1024,
            resets: 20,
            pings: 10,
            settings: 5,
            others: 100,
        }
    }
}

/// The limits of an HTTP/3 connection. As with HTTP/2, ten times as much as is allowed in a second may come at once, and a client
/// that does more is told so (H3_EXCESSIVE_LOAD) and cut.
#[derive(Clone, Debug)]
pub struct Http3Limits {
    /// Requests open at once.
    pub streams: u32,
    /// Bytes of a request's body that a client may send ahead on a stream.
    pub stream_window: u32,
    /// The same over all streams of a connection.
    pub connection_window: u32,
    /// Bytes of answers that a connection keeps until the client has them.
    pub send_window: u32,
    /// Requests that a client may take back in a second.
    pub resets: u32,
    /// Frames and streams that carry nothing for the handler, in a second.
    pub others: u32,
    /// Handshakes under way with clients whose addresses nobody has proven; while there are as many, newcomers are asked to prove
    /// theirs first (a Retry, RFC 9000 section 8.1.2).
    pub unproven: usize,
}

impl Default for Http3Limits {
    fn default() -> Self {
        Self {
            streams: 100,
            stream_window: 512 * 1024,
            connection_window: 1024 * 1024,
            send_window: 1024 * 1024,
            resets: 20,
            others: 100,
            unproven: 256,
        }
    }
}

/// Why a connection gets an answer without the handler being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// 400: the request's head is not HTTP.
    Malformed,
    /// 400: plain HTTP, or what else is not TLS, where TLS is spoken.
    NotTls,
    /// 408: the head did not come in time.
    TooSlow,
    /// 414: the target alone is longer than a head may be.
    TargetTooLong,
    /// 400: the request names no host, more than one, or what is none (RFC 9112 section 3.2).
    BadHost,
    /// 431: the head has more bytes than [`Limits::head_bytes`].
    HeadTooLarge,
    /// 431: the head has more lines than [`Limits::head_lines`].
    TooManyLines,
    /// 503: all connections are taken.
    Full,
    /// 503: the client has as many connections as [`Limits::connections_per_client`].
    FullForClient,
}

impl Refusal {
    /// The HTTP status code.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::NotTls | Self::BadHost => 400,
            Self::TooSlow => 408,
            Self::TargetTooLong => 414,
            Self::HeadTooLarge | Self::TooManyLines => 431,
            Self::Full | Self::FullForClient => 503,
        }
    }

    /// The refusal that an HTTP library's own answer stands for, to a head that has too many lines or not.
    pub(super) fn of_status_line(answer: &[u8], has_too_many_lines: bool) -> Self {
        match answer.get(9..12) {
            Some(b"414") => Self::TargetTooLong,
            Some(b"431") if has_too_many_lines => Self::TooManyLines,
            Some(b"431") => Self::HeadTooLarge,
            _ => Self::Malformed,
        }
    }
}

fn plain_refusal(why: Refusal, _: &Limits) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::from_u16(why.status()).unwrap_or_default();
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_whole_message() {
        assert_eq!(
            Limits::default().refusal(Refusal::Full),
            "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        let line = b"HTTP/1.1 431 Request Header Fields Too Large\r\n";
        assert_eq!(Refusal::of_status_line(line, false), Refusal::HeadTooLarge);
        assert_eq!(Refusal::of_status_line(line, true), Refusal::TooManyLines);
    }
}
