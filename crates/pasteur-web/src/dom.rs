//! The little of the DOM that the pages use, with its oddities kept here.

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AddEventListenerOptions, Document, Element, Event, EventTarget, HtmlAnchorElement, HtmlElement, Window};

use crate::trouble::Trouble;

/// Milliseconds after which a frame that was asked for is no longer waited for.
const LONGEST_FRAME: i32 = 200;

/// The window; there is none in a worker.
pub(crate) fn window() -> Result<Window, Trouble> {
    web_sys::window().ok_or(Trouble::Browser("a window"))
}

/// The page's document.
pub(crate) fn document() -> Result<Document, Trouble> {
    window()?.document().ok_or(Trouble::Browser("a document"))
}

/// The element of this id, which the page's HTML is to have as this type.
pub(crate) fn by_id<T: JsCast>(id: &'static str) -> Result<T, Trouble> {
    document()?.get_element_by_id(id).and_then(|e| e.dyn_into().ok()).ok_or(Trouble::Browser(id))
}

/// A new element of this name.
pub(crate) fn element<T: JsCast>(name: &'static str) -> Result<T, Trouble> {
    let element = document()?.create_element(name).ok();
    element.and_then(|e| e.dyn_into().ok()).ok_or(Trouble::Browser(name))
}

/// Shows or hides.
pub(crate) fn show(element: &HtmlElement, shown: bool) {
    element.set_hidden(!shown);
}

/// Sets an element's text, and only where it differs: a live region is not to repeat itself.
pub(crate) fn text(element: &Element, text: &str) {
    if element.text_content().as_deref() != Some(text) {
        element.set_text_content(Some(text));
    }
}

/// An attribute that is known to be a good one.
pub(crate) fn attribute(element: &Element, name: &str, value: &str) {
    let _ = element.set_attribute(name, value);
}

/// Appends a child.
pub(crate) fn append(parent: &Element, child: &Element) {
    let _ = parent.append_child(child);
}

/// Calls `f` at each event of this name for as long as the page lives.
pub(crate) fn on<E: JsCast + 'static>(target: &EventTarget, name: &str, mut f: impl FnMut(E) + 'static) {
    let closure = Closure::<dyn FnMut(Event)>::new(move |event: Event| f(event.unchecked_into()));
    let _ = target.add_event_listener_with_callback(name, closure.as_ref().unchecked_ref());
    // The listener lives as long as the page.
    closure.forget();
}

/// Waits for the next event of this name.
pub(crate) async fn next(target: &EventTarget, name: &str) -> Event {
    let options = AddEventListenerOptions::new();
    options.set_once(true);
    let promise = Promise::new(&mut |resolve, _| {
        let _ = target.add_event_listener_with_callback_and_add_event_listener_options(name, &resolve, &options);
    });
    let event = JsFuture::from(promise).await;
    // A promise that only resolves.
    event.map(JsCast::unchecked_into).unwrap_or_else(|e| e.unchecked_into())
}

/// Waits this long.
pub(crate) async fn sleep(milliseconds: u32) {
    let promise = Promise::new(&mut |resolve, _| {
        if let Some(window) = web_sys::window() {
            let wait = i32::try_from(milliseconds).unwrap_or(i32::MAX);
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, wait);
        }
    });
    let _ = JsFuture::from(promise).await;
}

/// Lets the browser draw once: goes on in a task after the next frame. A page that nobody sees is not drawn, and goes on
/// at once.
pub(crate) async fn drawn() {
    let hidden = || document().is_ok_and(|d| d.hidden());
    if hidden() {
        return;
    }
    let promise = Promise::new(&mut |resolve, _| {
        let Ok(window) = window() else { return };
        // A page may be hidden while it waits for its frame, and would then wait for as long as it is.
        let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, LONGEST_FRAME);
        let _ = window.request_animation_frame(&resolve);
    });
    let _ = JsFuture::from(promise).await;
    // A frame is drawn after its callbacks.
    sleep(0).await;
}

/// Milliseconds since the page was opened.
pub(crate) fn now() -> f64 {
    web_sys::window().and_then(|w| w.performance()).map_or(0.0, |p| p.now())
}

/// Has the browser save what lies at this blob URL under this name.
pub(crate) fn save(url: &str, name: &str) -> Result<(), Trouble> {
    let link: HtmlAnchorElement = element("a")?;
    link.set_href(url);
    link.set_download(name);
    let body = document()?.body().ok_or(Trouble::Browser("a body"))?;
    show(&link, false);
    append(&body, &link);
    link.click();
    link.remove();
    Ok(())
}
