//! `DELETE /api/v1/pastes/ID`.

use api::Id;
use http::request::Parts;
use store::{State, Store};

use super::{no_content, token};
use crate::app::App;
use crate::failure::Outcome;
use crate::origin::Origin;

/// Removes a paste for its creator, or burns it for its one reader.
pub(crate) async fn delete<S: Store>(app: &App<S>, id: Id, head: &Parts, origin: Origin) -> Outcome {
    let token = token::bearer(&head.headers, "the delete token, or the lease of a claimed paste")?;
    token::may_try(app, origin.client)?;
    let record = app.store.find(&id).await?;
    match (&record.state, token) {
        (_, Some(token)) if token.matches(&record.paste.delete_hash) => {
            app.store.delete(&id).await?;
            app.metrics.deleted.add(1);
        }
        (State::Claimed(claim), Some(token)) if token.matches(&claim.lease_hash) => {
            app.store.burn(&id).await?;
            app.metrics.burnt.add(1);
        }
        _ => return Err(token::wrong(app, origin.client)),
    }
    no_content()
}
