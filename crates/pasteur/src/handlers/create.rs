//! `POST /api/v1/pastes`.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use api::{Created, Expiry, Id, Kind, Problem, Token, path};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt;
use paf::http::{Body, BodyError};
use store::{Error as StoreError, NewPaste, Store, Upload};
use zeroize::Zeroizing;

use super::json;
use crate::app::App;
use crate::failure::{Failure, Outcome};
use crate::form::{Form, OVERHEAD};
use crate::origin::Origin;

/// Ids drawn before giving up. Two in a row that are taken mean that the random source is broken.
const DRAWS: usize = 4;

/// Streams a paste into the store, and publishes it once all of it came.
///
/// `received` is told the bytes of the body that came.
pub(crate) async fn create<S: Store>(
    app: &App<S>,
    head: &Parts,
    mut body: Body,
    origin: Origin,
    received: &AtomicU64,
) -> Outcome {
    let policy = &app.policy;
    app.creations.take(origin.client, app.clock.monotonic()).map_err(|wait| {
        app.metrics.limited_creations.add(1);
        Failure::too_many("create_rate", app.creations.per_minute(), wait)
    })?;
    if head.headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
        let detail = "send the form as it is, without Content-Encoding";
        return Err(Problem::new(Kind::UnsupportedType).detail(detail).into());
    }
    let mut form = Form::new(head.headers.get(CONTENT_TYPE), policy.max_paste, policy.max_expiry)?;
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|len| len > policy.max_paste.saturating_add(OVERHEAD)) {
        return Err(Problem::new(Kind::TooLarge).detail("the body").limit("max_paste", policy.max_paste).into());
    }
    let mut upload = app.store.begin().await?;
    let mut content: Vec<Bytes> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_off(&error))?;
        let Ok(chunk) = frame.into_data() else { continue };
        received.fetch_add(chunk.len() as u64, Relaxed);
        form.push(&chunk, &mut content)?;
        for piece in content.drain(..) {
            upload.write(piece).await?;
        }
    }
    let order = form.finish()?;
    let delete_token = Token::new(*draw(app)?);
    let expires_at = match order.expiry {
        Expiry::In(seconds) => Some(app.clock.now().after(seconds)),
        Expiry::Never => None,
    };
    let mut paste = NewPaste {
        id: draw_id(app)?,
        header: order.header,
        burn: order.burn,
        read_hash: order.read_hash,
        delete_hash: delete_token.hash(),
        expires_at,
    };
    let mut draws = 1;
    loop {
        match upload.publish(paste.clone()).await {
            Err(StoreError::Exists) if draws < DRAWS => {
                draws += 1;
                paste.id = draw_id(app)?;
            }
            published => break published?,
        }
    }
    app.metrics.created.add(1);
    app.metrics.created_bytes.add(order.size);
    let created = Created { id: paste.id, delete_token, expires_at: expires_at.map(|at| at.0) };
    let mut response = json(StatusCode::CREATED, &created);
    // An id is base58.
    if let Ok(location) = HeaderValue::try_from(path::paste(&paste.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

fn broken_off(error: &BodyError) -> Failure {
    match error {
        BodyError::TooSlow => Problem::new(Kind::TooSlow).detail("the body").into(),
        BodyError::BadFraming(_) => Problem::new(Kind::Malformed).detail("the body's chunks are malformed").into(),
        BodyError::WrongLength(_) => Problem::new(Kind::Malformed).detail(error.to_string()).into(),
        _ => Problem::new(Kind::Malformed).detail("the body broke off before its announced end").into(),
    }
}

/// 32 random bytes.
pub(super) fn draw<S: Store>(app: &App<S>) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    match app.random.fill(&mut *bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Problem::new(Kind::Internal).detail(error.to_string()).into()),
    }
}

fn draw_id<S: Store>(app: &App<S>) -> Result<Id, Failure> {
    for _ in 0..DRAWS {
        if let Some(id) = Id::from_random(&*draw(app)?) {
            return Ok(id);
        }
    }
    Err(Problem::new(Kind::Internal).detail("no id could be drawn").into())
}
