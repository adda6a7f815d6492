//! Work that a user can cancel.

use wasm_bindgen::JsValue;
use web_sys::{AbortController, AbortSignal};

use crate::trouble::Trouble;

/// One piece of work, and its Cancel button's other end. Clones are the same work.
#[derive(Clone, Debug)]
pub(crate) struct Job(AbortController);

impl Job {
    pub(crate) fn new() -> Result<Self, Trouble> {
        AbortController::new().map(Self).map_err(|_| Trouble::Browser("AbortController"))
    }

    pub(crate) fn cancel(&self) {
        self.0.abort();
    }

    /// What fetch and events understand.
    pub(crate) fn signal(&self) -> AbortSignal {
        self.0.signal()
    }

    /// An error once it was cancelled.
    pub(crate) fn check(&self) -> Result<(), Trouble> {
        if self.0.signal().aborted() { Err(Trouble::Cancelled) } else { Ok(()) }
    }

    /// What a failed request means: the user's wish, or no connection.
    pub(crate) fn broken(&self, _why: JsValue) -> Trouble {
        self.check().err().unwrap_or(Trouble::Offline)
    }
}
