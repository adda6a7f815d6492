//! What is nowhere else: a paste that was read and destroyed, one that is on its way, a link that nobody has copied. A page that holds
//! it asks before it goes.

use alloc::rc::Rc;
use core::cell::Cell;

use web_sys::{BeforeUnloadEvent, Window};

use crate::dom;

/// Whether leaving the page would lose something. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Rc<Cell<bool>>);

impl Kept {
    /// The page holds what is nowhere else.
    pub(crate) fn only_copy(&self) {
        self.0.set(true);
    }

    /// All of it was saved or copied elsewhere.
    pub(crate) fn saved(&self) {
        self.0.set(false);
    }

    /// Has the browser ask before the page is left, reloaded or closed while it holds the only copy, unless `elsewhere` says
    /// that all of it was taken by and by.
    pub(crate) fn guard(&self, window: &Window, elsewhere: impl Fn() -> bool + 'static) {
        let kept = self.clone();
        dom::on(window, "beforeunload", move |event: BeforeUnloadEvent| {
            if kept.0.get() && !elsewhere() {
                event.prevent_default();
                // Older browsers ask because of this.
                event.set_return_value("unsaved");
            }
        });
    }
}
