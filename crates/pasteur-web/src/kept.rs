//! What is nowhere else: a paste that this page alone may read, or that was read and destroyed, one that is on its way, a link that
//! nobody has copied. A page that holds it asks before it goes.

use alloc::rc::Rc;
use core::cell::Cell;

use web_sys::{BeforeUnloadEvent, Window};

use crate::dom;

/// Whether leaving the page would lose something. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Rc<Cell<Held>>);

#[derive(Clone, Copy, Debug, Default)]
enum Held {
    #[default]
    Nothing,
    /// Not all of it has arrived, and nobody else may fetch it.
    Arriving,
    OnlyCopy,
}

impl Kept {
    /// The page alone may fetch what has not all arrived: whatever of it was saved, there is more.
    pub(crate) fn arriving(&self) {
        self.0.set(Held::Arriving);
    }

    /// The page holds what is nowhere else.
    pub(crate) fn only_copy(&self) {
        self.0.set(Held::OnlyCopy);
    }

    /// All of it was saved or copied elsewhere, or there is nothing to be had any more.
    pub(crate) fn saved(&self) {
        self.0.set(Held::Nothing);
    }

    /// Has the browser ask before the page is left, reloaded or closed while it holds or fetches the only copy. Of one that it
    /// holds, `elsewhere` says whether all of it was taken by and by.
    pub(crate) fn guard(&self, window: &Window, elsewhere: impl Fn() -> bool + 'static) {
        let kept = self.clone();
        dom::on(window, "beforeunload", move |event: BeforeUnloadEvent| {
            let loses = match kept.0.get() {
                Held::Nothing => false,
                Held::Arriving => true,
                Held::OnlyCopy => !elsewhere(),
            };
            if loses {
                event.prevent_default();
                // Older browsers ask because of this.
                event.set_return_value("unsaved");
            }
        });
    }
}
