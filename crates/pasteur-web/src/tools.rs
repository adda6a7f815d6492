//! The buttons of the show page.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;

use api::Info;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Event, HtmlElement, Url};

use crate::show::Page;
use crate::trouble::Trouble;
use crate::{clipboard, dom, done};

/// The name the text is saved under.
const TEXT: &str = "paste.txt";

/// Makes the buttons work.
pub(crate) fn watch(page: &Rc<Page>) -> Result<(), Trouble> {
    let new: HtmlElement = dom::by_id("new")?;
    dom::on(&new, "click", |_: Event| {
        let _ = dom::window().map(|w| w.location().assign("/"));
    });
    let copy: HtmlElement = dom::by_id("copy")?;
    let on = page.clone();
    dom::on(&copy, "click", move |_: Event| {
        let page = on.clone();
        spawn_local(async move {
            let copied = match page.text.text().await {
                Ok(text) => clipboard::write(&text).await,
                Err(trouble) => Err(trouble),
            };
            match copied {
                Ok(()) => {
                    if page.shelf.len() == 0 {
                        page.kept.saved();
                    }
                    page.panel.say("The text is copied.");
                }
                Err(_) => page.panel.say("The browser did not allow copying. Select the text and copy it by hand."),
            }
        });
    });
    let save: HtmlElement = dom::by_id("save")?;
    let on = page.clone();
    dom::on(&save, "click", move |_: Event| {
        let page = on.clone();
        spawn_local(async move {
            match save_all(&page).await {
                // Of several a browser may hold some back until its user allows them, and says so to nobody else.
                Ok(()) if page.shelf.len() + usize::from(page.text.len() > 0) > 1 => {
                    page.panel.say("Saving all of it. The browser may ask whether this page may save several files: look whether all have come before you leave.");
                }
                Ok(()) => page.kept.saved(),
                Err(trouble) => page.panel.tell(&trouble),
            }
        });
    });
    Ok(())
}

/// Shows the buttons that have something to work on.
pub(crate) fn show(page: &Page) -> Result<(), Trouble> {
    let (text, files) = (page.text.len() > 0, page.shelf.len() > 0);
    dom::show(&dom::by_id::<HtmlElement>("copy")?, text);
    dom::show(&dom::by_id::<HtmlElement>("save")?, text || files);
    dom::show(&dom::by_id::<HtmlElement>("tools")?, true);
    Ok(())
}

/// Says how long the paste lives.
pub(crate) fn tell_life(info: &Info) -> Result<(), Trouble> {
    say_life(&match info.expires_at {
        Some(at) => format!("Expires {}", done::date(at)),
        None => String::from("Never expires"),
    })
}

/// Says what has become of the paste's life.
pub(crate) fn say_life(words: &str) -> Result<(), Trouble> {
    let life: HtmlElement = dom::by_id("life")?;
    dom::text(&life, words);
    Ok(())
}

async fn save_all(page: &Page) -> Result<(), Trouble> {
    if page.text.len() > 0 {
        let url = Url::create_object_url_with_blob(&page.text.bytes()?).map_err(|_| Trouble::NoRoom)?;
        dom::save(&url, TEXT)?;
        dom::sleep(150).await;
    }
    page.shelf.save_all().await
}
