//! `POST /api/v1/pastes/ID/claim`.

use api::{Claimed, Id, Kind, Token};
use http::StatusCode;
use http::request::Parts;
use store::{Claim, State, Store};

use super::create::draw;
use super::{LEASE, json, token};
use crate::app::App;
use crate::failure::Outcome;
use crate::origin::Origin;

/// Gives the one reader of a burning paste its lease.
pub(crate) async fn claim<S: Store>(app: &App<S>, id: Id, head: &Parts, origin: Origin) -> Outcome {
    let token = token::bearer(&head.headers, "the read token")?;
    token::may_try(app, origin.client)?;
    let record = app.store.find(&id).await?;
    if !token.is_some_and(|token| token.matches(&record.paste.read_hash)) {
        return Err(token::wrong(app, origin.client));
    }
    match record.state {
        _ if !record.paste.burn => return Err(Kind::NothingToClaim.into()),
        State::Claimed(_) => return Err(Kind::Burnt.into()),
        State::Open => {}
    }
    let lease = Token::new(*draw(app)?);
    let until = app.clock.now().after(LEASE.as_secs());
    // The store decides between two that come at once.
    app.store.claim(&id, Claim { lease_hash: lease.hash(), until }).await?;
    app.metrics.claimed.add(1);
    Ok(json(StatusCode::OK, &Claimed { lease, expires_in: LEASE.as_secs() }))
}
