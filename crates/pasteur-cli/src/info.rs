//! `pasteur info`: what a paste's link tells without opening it.

use api::{PasteState, PublicHeader};
use serde::Serialize;

use crate::args::InfoArgs;
use crate::client::{Place, Server};
use crate::failure::Failure;
use crate::{human, secret};

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    server: &'a str,
    id: api::Id,
    size: u64,
    created_at: u64,
    expires_at: Option<u64>,
    burn: bool,
    password: bool,
    state: PasteState,
}

pub(crate) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let place = Place::parse(&secret::argument_or_stdin(&args.link, "Link")?)?;
    let info = Server::new(&place.base).info(&place.id)?;
    let header = PublicHeader::decode(&info.header).map_err(|e| Failure::Damaged(e.to_string()))?;
    if args.output.json {
        return crate::print_json(&Report {
            server: &place.base,
            id: place.id,
            size: info.size,
            created_at: info.created_at,
            expires_at: info.expires_at,
            burn: header.burn,
            password: header.kdf.is_some(),
            state: info.state,
        });
    }
    let yes_no = |yes| if yes { "yes" } else { "no" };
    let burn = match (header.burn, info.state) {
        (false, _) => "no",
        (true, PasteState::Open) => "yes, by its first reading",
        (true, PasteState::Claimed) => "yes, and somebody is reading it",
    };
    crate::print(&format!(
        "Size      {} sealed\nCreated   {}\nExpires   {}\nBurns     {burn}\nPassword  {}\n",
        human::size(info.size),
        human::date(info.created_at),
        human::end(info.expires_at, human::now()),
        yes_no(header.kdf.is_some()),
    ))
}
