//! The browser client: Rust compiled to WebAssembly. It seals and opens; the server and the network see ciphertext.
//!
//! Each page has a program of its own, by a feature, so that nobody loads what the other page needs: `create` and `show`.
//! Either serves its page and the worker that stretches passwords: [`start`] finds out where it runs. The state of a page
//! lies in its DOM; each page's life is told top to bottom in one async function ([`create`], [`show`]).
//! What needs no browser (`amounts`, `expiry`, `names`, `retry`, `trouble`, `utf8`) is tested on the host.

#![cfg_attr(
    not(all(feature = "create", feature = "show")),
    allow(dead_code, reason = "one page's program leaves out what only the other needs")
)]

extern crate alloc;

mod amounts;
mod bindings;
mod buffers;
mod client;
mod clipboard;
mod create;
mod dom;
mod done;
mod expiry;
mod feed;
mod files;
mod form;
mod gcm;
mod job;
mod kept;
mod leaving;
mod names;
mod opening;
mod panel;
mod random;
mod reading;
mod retry;
mod sealing;
mod shelf;
mod show;
mod spool;
mod stretch;
mod textview;
mod tools;
mod trouble;
mod upload;
mod utf8;
mod wire;

use wasm_bindgen::prelude::*;
use web_sys::DedicatedWorkerGlobalScope;

use crate::panel::Panel;
use crate::trouble::Trouble;

/// Runs when the program has loaded, in the page and in its worker.
#[wasm_bindgen(start)]
pub fn start() {
    if let Ok(scope) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() {
        return stretch::serve(&scope);
    }
    // A page that is not ours has no place for words either.
    if let Ok(panel) = Panel::find()
        && let Err(trouble) = page(&panel)
    {
        panel.tell(&trouble);
    }
}

fn page(panel: &Panel) -> Result<(), Trouble> {
    let body = dom::document()?.body().ok_or(Trouble::Browser("a body"))?;
    match body.get_attribute("data-page").as_deref() {
        #[cfg(feature = "create")]
        Some("create") => create::start(panel.clone()),
        #[cfg(feature = "show")]
        Some("show") => show::start(panel.clone().patient()),
        _ => Ok(()),
    }
}
