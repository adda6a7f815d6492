//! `GET /api/v1/pastes/ID` and `GET /api/v1/pastes/ID/content`.

use std::time::Duration;

use api::{Id, Info, Kind, PasteState};
use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use paf::files::{Asked, asked};
use store::{Error as StoreError, Reader, Record, State, Store};

use super::{LEASE, json, token};
use crate::answer::Answer;
use crate::app::App;
use crate::failure::{Failure, Outcome};
use crate::origin::Origin;

/// While a claimed paste is being read, its lease is renewed this often.
const RENEW_EVERY: Duration = Duration::from_secs(60);

/// Tells of a paste.
pub(crate) async fn info<S: Store>(app: &App<S>, id: Id) -> Outcome {
    let record = app.store.find(&id).await?;
    let info = Info {
        header: record.paste.header,
        size: record.size,
        created_at: record.created_at.0,
        expires_at: record.paste.expires_at.map(|at| at.0),
        state: match record.state {
            State::Open => PasteState::Open,
            State::Claimed(_) => PasteState::Claimed,
        },
    };
    Ok(json(StatusCode::OK, &info))
}

/// Gives a paste's content, or a range of it, to whoever has the right.
pub(crate) async fn content<S: Store>(app: &App<S>, id: Id, head: &Parts, origin: Origin) -> Outcome {
    let token = token::bearer(&head.headers, "the read token, or the lease of a claimed paste")?;
    token::may_try(app, origin.client)?;
    let record = app.store.find(&id).await?;
    let lease = match (&record.state, &token) {
        (State::Claimed(claim), Some(token)) if token.matches(&claim.lease_hash) => Some(claim.lease_hash),
        (state, Some(token)) if token.matches(&record.paste.read_hash) => match state {
            State::Claimed(_) => return Err(Kind::Burnt.into()),
            State::Open if record.paste.burn => return Err(Kind::ClaimNeeded.into()),
            State::Open => None,
        },
        _ => return Err(token::wrong(app, origin.client)),
    };
    let etag = etag(&record);
    let range = match head.headers.get(RANGE).and_then(|v| v.to_str().ok()) {
        // A range of something else than what the client has is useless: it gets everything (RFC 9110 section 13.1.5).
        // Only GET has ranges (RFC 9110 section 14.2).
        Some(range) if head.method == Method::GET && head.headers.get(IF_RANGE).is_none_or(|tag| *tag == etag) => {
            asked(range, record.size)
        }
        _ => Asked::Whole,
    };
    let (status, range) = match range {
        Asked::Whole => (StatusCode::OK, 0..record.size),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Outside => return Err(Failure::range(record.size)),
    };
    let lease = match lease {
        Some(hash) => Some(Lease::renewed(app.clone(), id, hash).await?),
        None => None,
    };
    let len = range.end - range.start;
    let content_range = (status == StatusCode::PARTIAL_CONTENT)
        .then(|| format!("bytes {}-{}/{}", range.start, range.end - 1, record.size));
    let body = if head.method == Method::HEAD {
        // Never polled: only its length is told.
        Answer::content(stream::empty(), len)
    } else {
        let mut reader = app.store.read(&id, range).await?;
        app.metrics.read.add(1);
        app.metrics.read_bytes.add(len);
        // Most pastes are one piece: they need no stream.
        match reader.next().await? {
            Some(piece) if piece.len() as u64 == len => Answer::whole(piece),
            None if len == 0 => Answer::empty(),
            first => Answer::content(pieces(app.clone(), first, reader, lease), len),
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(ETAG, etag);
    if let Some(Ok(value)) = content_range.map(HeaderValue::try_from) {
        headers.insert(CONTENT_RANGE, value);
    }
    Ok(response)
}

/// Content never changes while its id lives, so what was published when is tag enough.
fn etag(record: &Record) -> HeaderValue {
    let text = format!("\"{:x}-{:x}\"", record.created_at.0, record.size);
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"\""))
}

fn pieces<S: Store>(
    app: App<S>,
    first: Option<Bytes>,
    reader: S::Reader,
    lease: Option<Lease<S>>,
) -> impl stream::Stream<Item = Result<Bytes, StoreError>> + Send + 'static {
    stream::unfold((app, first, reader, lease), async |(app, mut first, mut reader, mut lease)| {
        let piece = match first.take() {
            Some(piece) => Ok(Some(piece)),
            None => reader.next().await,
        };
        if let Err(error) = &piece {
            app.note(error);
        }
        if let Some(lease) = &mut lease
            && let Err(error) = lease.keep().await
        {
            app.note(&error);
            return Some((Err(error), (app, None, reader, None)));
        }
        Some((piece.transpose()?, (app, None, reader, lease)))
    })
}

/// The lease under which content is being read.
struct Lease<S: Store> {
    app: App<S>,
    id: Id,
    hash: [u8; 32],
    renewed: Duration,
}

impl<S: Store> Lease<S> {
    async fn renewed(app: App<S>, id: Id, hash: [u8; 32]) -> Result<Self, StoreError> {
        let mut lease = Self { renewed: app.clock.monotonic(), app, id, hash };
        lease.renew().await?;
        Ok(lease)
    }

    async fn renew(&mut self) -> Result<(), StoreError> {
        self.renewed = self.app.clock.monotonic();
        let until = self.app.clock.now().after(LEASE.as_secs());
        self.app.store.renew(&self.id, &self.hash, until).await
    }

    async fn keep(&mut self) -> Result<(), StoreError> {
        let age = self.app.clock.monotonic().saturating_sub(self.renewed);
        if age < RENEW_EVERY { Ok(()) } else { self.renew().await }
    }
}
