//! Pages that are left: a browser keeps them in memory for its Back button, with all that they held, for whoever presses it.

use web_sys::{Event, PageTransitionEvent};

use crate::dom;
use crate::trouble::Trouble;

/// Calls `wipe` once the page is left for another. Where the browser brings it back, it is loaded anew: nothing of its
/// state is worth keeping then.
pub(crate) fn wipe_when_left(wipe: impl Fn() + 'static) -> Result<(), Trouble> {
    let window = dom::window()?;
    dom::on(&window, "pagehide", move |_: Event| wipe());
    dom::on(&window, "pageshow", |event: PageTransitionEvent| {
        if event.persisted() {
            let _ = dom::window().map(|w| w.location().reload());
        }
    });
    Ok(())
}
