//! One file for each thing a client can do with a paste.

mod claim;
mod create;
mod delete;
mod read;
mod token;

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::answer::Answer;
use crate::failure::Outcome;

pub(crate) use claim::claim;
pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use read::{content, info};

/// How long a lease lasts; reading renews it.
pub(crate) const LEASE: Duration = Duration::from_secs(600);

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response<Answer> {
    // The wire types hold strings, numbers and booleans: serialising them cannot fail.
    let mut response = ready_json(serde_json::to_vec(body).unwrap_or_default().into());
    *response.status_mut() = status;
    response
}

/// A JSON answer that is written already.
pub(crate) fn ready_json(body: Bytes) -> Response<Answer> {
    let mut response = Response::new(Answer::whole(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 204.
fn no_content() -> Outcome {
    let mut response = Response::new(Answer::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
