//! A paste's content as one stream, though connections drop: it goes on where it stopped, by Range.

use std::io::{self, Read};
use std::thread::sleep;
use std::time::Duration;

use api::{Id, Kind, Token, path};
use ureq::BodyReader;
use ureq::http::{Response, StatusCode, header};

use super::{Server, bearer};
use crate::failure::Failure;

/// How long a download may be silent before it is taken up anew.
const SILENCE: Duration = Duration::from_secs(30);
/// The first wait before a new try, and the longest; each is twice the one before.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(8));

/// What lets a reader at the content, and how often a dropped connection is taken up anew.
#[derive(Debug)]
pub(crate) struct Access {
    /// The read token, or the lease of a claimed paste.
    pub(crate) token: Token,
    /// How many tries in a row may bring nothing.
    pub(crate) retries: u32,
}

/// The content's bytes from some place to their end. An error of reading holds a [`Failure`].
pub(crate) struct Content {
    server: Server,
    id: Id,
    access: Access,
    at: u64,
    size: u64,
    body: Option<BodyReader<'static>>,
    failures: u32,
}

impl Content {
    /// Opens the content, whose length in bytes is `size`. A refusal shows here, before anything is read.
    pub(crate) fn open(server: &Server, id: Id, size: u64, access: Access) -> Result<Self, Failure> {
        let mut content = Self::persistent(server, id, size, access);
        content.body = Some(content.request()?);
        Ok(content)
    }

    /// The content, opened when it is read; the first request is tried as often as any other.
    pub(crate) fn persistent(server: &Server, id: Id, size: u64, access: Access) -> Self {
        Self { server: server.clone(), id, access, at: 0, size, body: None, failures: 0 }
    }

    /// The bytes from where reading stopped.
    fn request(&self) -> Result<BodyReader<'static>, Failure> {
        let request = self.server.agent.get(self.server.url(&path::content(&self.id)));
        let mut request = request.header(header::AUTHORIZATION, bearer(&self.access.token));
        if self.at > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", self.at));
        }
        let request = request.config().timeout_per_read(Some(SILENCE)).build();
        let response = self.server.answer(request.call())?;
        self.check(&response)?;
        // The length is known and checked: no other limit is needed.
        Ok(response.into_body().into_with_config().limit(u64::MAX).reader())
    }

    /// An answer to a Range has to begin where it was asked to: else the bytes would be spliced.
    fn check(&self, response: &Response<ureq::Body>) -> Result<(), Failure> {
        if self.at == 0 && response.status() == StatusCode::OK {
            return Ok(());
        }
        let range = response.headers().get(header::CONTENT_RANGE).and_then(|r| r.to_str().ok()).unwrap_or_default();
        let expected = format!("bytes {}-{}/{}", self.at, self.size.saturating_sub(1), self.size);
        if response.status() == StatusCode::PARTIAL_CONTENT && range == expected {
            return Ok(());
        }
        Err(self.server.not_pasteur("its answer to a Range is another range"))
    }

    /// Waits before the next try; a failure that will not pass, or the last of too many, is given back.
    fn wait(&mut self, failure: Failure) -> Result<(), Failure> {
        let mut wait = WAITS.0.saturating_mul(1 << self.failures.min(16)).min(WAITS.1);
        match &failure {
            Failure::Network { .. } => {}
            Failure::Problem(problem) if is_passing(failure.kind()) => {
                wait = wait.max(Duration::from_secs(problem.retry_after.unwrap_or(0).min(60)));
            }
            _ => return Err(failure),
        }
        if self.failures >= self.access.retries {
            return Err(failure);
        }
        self.failures += 1;
        sleep(wait);
        Ok(())
    }
}

impl Read for Content {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at < self.size && !into.is_empty() {
            let left = usize::try_from(self.size - self.at).unwrap_or(usize::MAX);
            let most = into.len().min(left);
            let failure = match &mut self.body {
                Some(body) => match body.read(&mut into[..most]) {
                    Ok(0) => self.server.network("the connection broke off".into()),
                    Ok(amount) => {
                        self.at += amount as u64;
                        self.failures = 0;
                        return Ok(amount);
                    }
                    Err(e) => self.server.network(format!("the connection broke off: {e}")),
                },
                None => match self.request() {
                    Ok(body) => {
                        self.body = Some(body);
                        continue;
                    }
                    Err(failure) => failure,
                },
            };
            self.body = None;
            self.wait(failure).map_err(io::Error::other)?;
        }
        Ok(0)
    }
}

fn is_passing(kind: Option<Kind>) -> bool {
    matches!(kind, Some(Kind::TooMany | Kind::Unavailable | Kind::TooSlow | Kind::Internal))
}
