//! Bearer tokens (RFC 6750), and the limit on wrong ones.

use api::{Kind, Token};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use paf::Client;
use store::Store;

use crate::app::App;
use crate::failure::Failure;

/// The token that a request carries.
///
/// # Errors
/// 401 where there is none; `which` says which is needed.
pub(super) fn bearer(headers: &HeaderMap, which: &str) -> Result<Option<Token>, Failure> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Err(Failure::token_missing(which)) };
    let Some((scheme, token)) = value.to_str().ok().and_then(|v| v.split_once(' ')) else {
        return Err(Failure::token_missing(which));
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Failure::token_missing(which));
    }
    // What is not even a token is as wrong as another's: it is not told apart, and counts as a try.
    Ok(token.trim().parse().ok())
}

/// Whether a client may try a token: 429 where it sent too many wrong ones.
pub(super) fn may_try<S: Store>(app: &App<S>, client: Client) -> Result<(), Failure> {
    let rate = &app.wrong_tokens;
    rate.check(client, app.clock.monotonic()).map_err(|wait| {
        app.metrics.limited_tokens.add(1);
        Failure::too_many("wrong_token_rate", rate.per_minute(), wait)
    })
}

/// The token was wrong: 403, and one try less.
pub(super) fn wrong<S: Store>(app: &App<S>, client: Client) -> Failure {
    // The bucket was not empty a moment ago; where another request emptied it since, this one is answered all the same.
    let _ = app.wrong_tokens.take(client, app.clock.monotonic());
    app.metrics.wrong_tokens.add(1);
    Kind::TokenWrong.into()
}
