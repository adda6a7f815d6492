//! Answers as a client of HTTP/1.1 reads them.

use std::time::Duration;

use device::Flow;
use device::sim::SimFlow;
use tokio::io::{AsyncReadExt, ReadHalf};
use tokio::time::timeout;

use super::handler::pattern;

/// No client waits longer: every limit of the service is far below.
const FOREVER: Duration = Duration::from_secs(1500);

/// A request that was sent, or begun.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) id: u64,
    /// The body of its answer.
    pub(crate) expected: Vec<u8>,
}

impl Asked {
    pub(crate) fn give(id: u64, len: usize) -> Self {
        Self { id, expected: pattern(id, len) }
    }
}

/// What a connection gave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Got {
    /// Answers that were whole and right.
    pub(crate) answers: usize,
    /// Answers without the handler.
    pub(crate) refusals: usize,
    /// Whether the connection is over.
    pub(crate) ended: bool,
}

/// The reading side of a connection.
pub(crate) struct Answers<F> {
    flow: ReadHalf<F>,
    ahead: Vec<u8>,
}

impl<F: Flow> Answers<F> {
    pub(crate) fn new(flow: ReadHalf<F>) -> Self {
        Self { flow, ahead: Vec::new() }
    }

    /// More bytes; `false` at the end, orderly or not.
    async fn more(&mut self) -> bool {
        let mut piece = [0; 4096];
        let read = timeout(FOREVER, self.flow.read(&mut piece)).await;
        match read.expect("a client is left waiting for ever") {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.ahead.extend_from_slice(&piece[..n]);
                true
            }
        }
    }

    /// Checks answers against what was asked, in order, until all are there or the connection ends.
    pub(crate) async fn check(&mut self, asked: &[Asked]) -> Got {
        let mut got = Got::default();
        for asked in asked {
            let Some((status, id, body)) = self.next().await else {
                got.ended = true;
                return got;
            };
            match (status, id) {
                (200, id) => {
                    assert_eq!(id, Some(asked.id), "an answer to another request");
                    assert!(body == asked.expected, "another answer's body for {}", asked.id);
                    got.answers += 1;
                }
                // The handler's word on a body that broke off.
                (400, Some(id)) => assert_eq!(id, asked.id, "an answer to another request"),
                (status, _) => {
                    assert!([400, 408, 503].contains(&status), "{status}");
                    got.refusals += 1;
                    assert!(self.next().await.is_none(), "a refused connection goes on");
                    got.ended = true;
                    return got;
                }
            }
        }
        got
    }

    /// Reads to the end, where nothing more may come but refusals.
    pub(crate) async fn rest(&mut self) -> usize {
        let mut refusals = 0;
        while let Some((status, id, _)) = self.next().await {
            assert!(id.is_none() && [400, 408, 503].contains(&status), "an answer nobody asked for: {status} {id:?}");
            refusals += 1;
        }
        assert!(refusals <= 1, "a connection is refused once");
        refusals
    }

    /// Reads to the end, whatever comes.
    pub(crate) async fn drain(&mut self) {
        while self.more().await {
            self.ahead.clear();
        }
    }

    /// The next whole answer: status, id, body.
    async fn next(&mut self) -> Option<(u16, Option<u64>, Vec<u8>)> {
        let end = loop {
            if let Some(at) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.ahead.drain(..end).collect()).expect("a head is text");
        assert!(head.starts_with("HTTP/1.1 "), "no answer begins so: {head:?}");
        let field = |name: &str| {
            let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
            line[name.len()..].trim().parse::<u64>().ok()
        };
        let len = field("content-length:").expect("every answer says its length") as usize;
        while self.ahead.len() < len {
            if !self.more().await {
                return None;
            }
        }
        let status = head[9..12].parse().expect("a status");
        Some((status, field("x-id:"), self.ahead.drain(..len).collect()))
    }
}

impl Answers<SimFlow> {
    /// Breaks the connection off.
    pub(crate) fn reset(self, write: tokio::io::WriteHalf<SimFlow>) {
        self.flow.unsplit(write).reset();
    }
}
