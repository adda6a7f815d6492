//! `pasteur rm`: deletes a paste, with the token that `put` remembered or that the user gives.

use serde::Serialize;

use crate::args::RmArgs;
use crate::client::{self, Place, Server};
use crate::failure::Failure;
use crate::history::History;
use crate::secret;

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    server: &'a str,
    id: api::Id,
    deleted: bool,
}

pub(crate) fn run(args: &RmArgs) -> Result<(), Failure> {
    if args.link.reveal() == "-" && args.token_file.as_deref() == Some("-".as_ref()) {
        return Err(Failure::Usage("standard input cannot be both the link and the token".into()));
    }
    let place = Place::parse(&secret::argument_or_stdin(&args.link, "Link")?)?;
    let history = History::of_user();
    let token = match (&args.token, &args.token_file) {
        (Some(token), _) => client::token(token.reveal())?,
        (None, Some(path)) => client::token(&secret::line_of(path)?)?,
        (None, None) => {
            let found = history.as_ref().map(|h| h.find(&place.base, &place.id).map_err(|e| (h.path(), e))).transpose();
            let found = found.map_err(|(path, e)| Failure::local("cannot read", path, e))?;
            found.flatten().ok_or_else(|| {
                Failure::SecretNeeded(
                    "no delete token of this paste is kept here, for it was not made here or is deleted: --token-file FILE".to_owned(),
                )
            })?
        }
    };
    let result = Server::new(&place.base).delete(&place.id, &token);
    // A paste that is gone is forgotten as well.
    let gone = matches!(&result, Err(e) if e.code() == crate::failure::code::GONE);
    if (result.is_ok() || gone)
        && let Some(history) = history
        && let Err(e) = history.forget(&place.base, &place.id)
        && !args.output.quiet
    {
        eprintln!("pasteur: cannot write {}: {e}", history.path().display());
    }
    result?;
    if args.output.json {
        crate::print_json(&Report { server: &place.base, id: place.id, deleted: true })
    } else {
        if !args.output.quiet {
            eprintln!("Deleted.");
        }
        Ok(())
    }
}
