//! API v1, asked with fetch.

use alloc::format;
use alloc::string::String;

use api::{Claimed, Id, Info, ServerLimits, Token, path};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestCache, RequestCredentials, RequestInit, RequestRedirect, Response};

use crate::dom;
use crate::job::Job;
use crate::trouble::Trouble;
use crate::wire::{self, Document};

/// What the server allows.
pub(crate) async fn limits(job: &Job) -> Result<ServerLimits, Trouble> {
    json(ask(job, "GET", path::LIMITS, None, None).await?).await
}

/// What anybody may know of a paste.
pub(crate) async fn info(job: &Job, id: &Id) -> Result<Info, Trouble> {
    json(ask(job, "GET", &path::paste(id), None, None).await?).await
}

/// Claims a paste that burns: from here on it is this reader's alone.
pub(crate) async fn claim(job: &Job, id: &Id, read: &Token) -> Result<Claimed, Trouble> {
    json(ask(job, "POST", &path::claim(id), Some(read), None).await?).await
}

/// Deletes a paste, with the delete token or the lease.
pub(crate) async fn delete(job: &Job, id: &Id, token: &Token) -> Result<(), Trouble> {
    good(ask(job, "DELETE", &path::paste(id), Some(token), None).await?).await.map(|_| ())
}

/// The content's bytes from `range.0` to before `range.1`: an answer of status 200 or 206, whose body is not read yet.
pub(crate) async fn content(job: &Job, id: &Id, token: &Token, range: Option<(u64, u64)>) -> Result<Response, Trouble> {
    good(ask(job, "GET", &path::content(id), Some(token), range).await?).await
}

async fn ask(
    job: &Job,
    method: &str,
    url: &str,
    token: Option<&Token>,
    range: Option<(u64, u64)>,
) -> Result<Response, Trouble> {
    const LACKS: Trouble = Trouble::Browser("fetch");
    let headers = Headers::new().map_err(|_| LACKS)?;
    if let Some(token) = token {
        // The copy JavaScript gets cannot be wiped; ours is, when dropped.
        let bearer = zeroize::Zeroizing::new(format!("Bearer {}", token.encode().as_str()));
        headers.set("Authorization", &bearer).map_err(|_| LACKS)?;
    }
    if let Some((from, to)) = range {
        headers.set("Range", &format!("bytes={from}-{}", to.saturating_sub(1))).map_err(|_| LACKS)?;
    }
    let init = RequestInit::new();
    init.set_method(method);
    init.set_headers(&headers);
    init.set_cache(RequestCache::NoStore);
    init.set_credentials(RequestCredentials::Omit);
    init.set_redirect(RequestRedirect::Error);
    init.set_signal(Some(&job.signal()));
    let answer = JsFuture::from(dom::window()?.fetch_with_str_and_init(url, &init)).await;
    answer.map(JsCast::unchecked_into).map_err(|e| job.broken(e))
}

async fn good(answer: Response) -> Result<Response, Trouble> {
    if answer.ok() {
        return Ok(answer);
    }
    let body = text(&answer).await.unwrap_or_default();
    Err(Trouble::from_answer(answer.status(), wire::read(&body).as_ref()))
}

async fn json<T: Document>(answer: Response) -> Result<T, Trouble> {
    let body = text(&good(answer).await?).await?;
    wire::read(&body).ok_or(Trouble::Server)
}

async fn text(answer: &Response) -> Result<String, Trouble> {
    let promise = answer.text().map_err(|_| Trouble::Offline)?;
    JsFuture::from(promise).await.ok().and_then(|t| t.as_string()).ok_or(Trouble::Offline)
}
