//! Requests that fail: a problem document (RFC 9457). The only place where an HTTP status is chosen.

use api::{Kind, Problem};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use store::Error as StoreError;

use crate::answer::Answer;

/// Why a request is not answered as it wished.
#[derive(Debug)]
pub(crate) struct Failure {
    problem: Box<Problem>,
    /// A header that the status code demands.
    demanded: Option<(http::HeaderName, HeaderValue)>,
    /// What failed in the store, for the log.
    cause: Option<Box<StoreError>>,
}

/// What handlers give.
pub(crate) type Outcome = Result<Response<Answer>, Failure>;

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), demanded: None, cause: None }
    }
}

impl From<Kind> for Failure {
    fn from(kind: Kind) -> Self {
        Problem::new(kind).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let problem = match error {
            StoreError::NotFound => Problem::new(Kind::NotFound),
            StoreError::Burnt | StoreError::Claimed => Problem::new(Kind::Burnt),
            StoreError::Quota { quota } => Problem::new(Kind::Full).limit("quota", quota),
            StoreError::Full => Problem::new(Kind::Full).detail("the store's disk is full"),
            StoreError::Closed => Problem::new(Kind::Unavailable).detail("the server is stopping").retry_after(5),
            // What exactly failed is for the log, not for strangers.
            _ => Problem::new(Kind::Internal).detail("the store failed"),
        };
        Self { cause: Some(Box::new(error)), ..problem.into() }
    }
}

impl Failure {
    /// The token is missing.
    pub(crate) fn token_missing(which: &str) -> Self {
        let problem = Problem::new(Kind::TokenMissing).detail(format!("send \"Authorization: Bearer\" with {which}"));
        Self { demanded: Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))), ..Self::from(problem) }
    }

    /// The address has no such method.
    pub(crate) fn method(allowed: &'static str) -> Self {
        let problem = Problem::new(Kind::Method).detail(format!("it takes {allowed}"));
        Self { demanded: Some((ALLOW, HeaderValue::from_static(allowed))), ..Self::from(problem) }
    }

    /// The range lies outside content of `size` bytes.
    pub(crate) fn range(size: u64) -> Self {
        let problem = Problem::new(Kind::Range).limit("size", size);
        let whole = HeaderValue::try_from(format!("bytes */{size}")).ok();
        Self { demanded: whole.map(|v| (CONTENT_RANGE, v)), ..Self::from(problem) }
    }

    /// Too many requests; the next may come in `seconds`.
    pub(crate) fn too_many(limit: &str, rate: u32, seconds: u64) -> Self {
        Problem::new(Kind::TooMany).limit(limit, u64::from(rate)).retry_after(seconds).into()
    }

    /// What failed in the store, if it did.
    pub(crate) fn cause(&self) -> Option<&StoreError> {
        self.cause.as_deref()
    }

    /// The problem as an answer.
    pub(crate) fn into_response(self) -> Response<Answer> {
        let mut response = respond(&self.problem).map(Answer::whole);
        if let Some((name, value)) = self.demanded {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// A problem as an answer, without the headers that every answer has.
pub(crate) fn respond(problem: &Problem) -> Response<Bytes> {
    // Strings and numbers: serialising them cannot fail.
    let mut response = Response::new(Bytes::from(serde_json::to_vec(problem).unwrap_or_default()));
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
