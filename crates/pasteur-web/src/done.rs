//! After creation: the link, and the right to delete what it leads to.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::RefCell;

use api::{Created, Id, PublicHeader, Token};
use envelope::Link;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Element, Event, HtmlDialogElement, HtmlElement, HtmlInputElement};

use crate::kept::Kept;
use crate::panel::Panel;
use crate::trouble::Trouble;
use crate::{amounts, client, clipboard, dom};

/// The card with the link. Clones are the same card.
#[derive(Clone)]
pub(crate) struct Done {
    panel: Panel,
    card: HtmlElement,
    heading: HtmlElement,
    link: HtmlInputElement,
    who: Element,
    facts: Element,
    dialog: HtmlDialogElement,
    /// What Delete deletes. It is kept in this page's memory and nowhere else.
    created: Rc<RefCell<Option<(Id, Token)>>>,
    /// A link that nobody has copied is nowhere else.
    pub(crate) kept: Kept,
}

impl Done {
    pub(crate) fn find(panel: Panel) -> Result<Self, Trouble> {
        let done = Self {
            panel,
            card: dom::by_id("done")?,
            heading: dom::by_id("done-title")?,
            link: dom::by_id("link")?,
            who: dom::by_id("who")?,
            facts: dom::by_id("facts")?,
            dialog: dom::by_id("confirm")?,
            created: Rc::default(),
            kept: Kept::default(),
        };
        done.watch()?;
        Ok(done)
    }

    /// Shows the link and what holds for it.
    pub(crate) fn show(&self, link: &Link, created: Created, header: &PublicHeader) {
        self.link.set_value(&link.to_url());
        self.facts.set_text_content(None);
        self.fact(&match created.expires_at {
            Some(at) => format!("Expires {}", date(at)),
            None => String::from("Never expires"),
        });
        if header.burn {
            self.fact("Burns after reading");
        }
        let needed = if header.kdf.is_some() {
            self.fact("Needs the password, too");
            "this link and the password"
        } else {
            "this link"
        };
        dom::text(
            &self.who,
            &format!("Whoever has {needed} can read it. The part after the # is the key; the server never sees it."),
        );
        *self.created.borrow_mut() = Some((created.id, created.delete_token));
        self.kept.only_copy();
        dom::show(&self.card, true);
        self.panel.say("The paste is sealed and stored. Its link is ready.");
        let _ = self.heading.focus();
    }

    /// Forgets the link and the right to delete.
    pub(crate) fn wipe(&self) {
        self.link.set_value("");
        self.created.take();
    }

    fn fact(&self, words: &str) {
        if let Ok(item) = dom::element::<Element>("li") {
            dom::text(&item, words);
            dom::append(&self.facts, &item);
        }
    }

    fn watch(&self) -> Result<(), Trouble> {
        let copy: HtmlElement = dom::by_id("copy")?;
        let done = self.clone();
        dom::on(&copy, "click", move |_: Event| {
            let done = done.clone();
            spawn_local(async move {
                done.link.select();
                match clipboard::write(&done.link.value()).await {
                    Ok(()) => {
                        done.kept.saved();
                        done.panel.say("The link is copied.");
                    }
                    Err(_) => {
                        done.panel.say("The browser did not allow copying. The link is selected: copy it by hand.")
                    }
                }
            });
        });
        // By hand, as well.
        let kept = self.kept.clone();
        dom::on(&self.link, "copy", move |_: Event| kept.saved());
        let link = self.link.clone();
        dom::on(&self.link, "focus", move |_: Event| link.select());

        let delete: HtmlElement = dom::by_id("delete")?;
        let dialog = self.dialog.clone();
        dom::on(&delete, "click", move |_: Event| {
            let _ = dialog.show_modal();
        });
        let no: HtmlElement = dom::by_id("confirm-no")?;
        let dialog = self.dialog.clone();
        dom::on(&no, "click", move |_: Event| dialog.close());
        let yes: HtmlElement = dom::by_id("confirm-yes")?;
        let done = self.clone();
        dom::on(&yes, "click", move |_: Event| {
            done.dialog.close();
            spawn_local(done.clone().delete());
        });
        Ok(())
    }

    async fn delete(self) {
        let Some((id, token)) = self.created.borrow().clone() else { return };
        self.panel.say("Deleting …");
        match client::delete(&self.panel.idle_job(), &id, &token).await {
            // What is gone already is as the user wants it.
            Ok(()) | Err(Trouble::NotFound | Trouble::Burnt) => {
                *self.created.borrow_mut() = None;
                self.kept.saved();
                self.link.set_value("");
                dom::show(&self.card, false);
                self.panel.say("The paste is deleted. Its link leads nowhere now.");
                if let Ok(after) = dom::by_id::<HtmlElement>("after") {
                    dom::show(&after, true);
                    let _ = after.focus();
                }
            }
            Err(trouble) => self.panel.tell(&trouble),
        }
    }
}

/// A moment in the reader's own time zone and manner.
pub(crate) fn date(seconds: u64) -> String {
    let date = js_sys::Date::new(&(seconds as f64 * 1000.0).into());
    let options = js_sys::Object::new();
    let _ = js_sys::Reflect::set(&options, &"dateStyle".into(), &"medium".into());
    let _ = js_sys::Reflect::set(&options, &"timeStyle".into(), &"short".into());
    let text = date.to_locale_string("default", &options).as_string();
    text.unwrap_or_else(|| amounts::span(seconds))
}
