//! The list "Files": a link for each file, listed as soon as its name is known, saved once its bytes are at hand.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use web_sys::{Blob, Element, Event, HtmlAnchorElement, HtmlElement, Url};

use crate::names::Distinct;
use crate::trouble::Trouble;
use crate::{amounts, dom, names};

/// The list. Clones are the same list.
#[derive(Clone)]
pub(crate) struct Shelf {
    card: HtmlElement,
    list: Element,
    items: Rc<RefCell<Vec<Item>>>,
    names: Rc<RefCell<Distinct>>,
    /// Called when a file is wanted that is not at hand.
    wanted: Rc<RefCell<Option<Wanted>>>,
}

/// What is called when a file is wanted.
type Wanted = Rc<dyn Fn()>;

struct Item {
    save_as: String,
    link: HtmlAnchorElement,
    size: Element,
    wanted: bool,
    url: Option<String>,
    /// Whether its link was followed once it was at hand.
    taken: bool,
}

impl Shelf {
    pub(crate) fn find() -> Result<Self, Trouble> {
        Ok(Self {
            card: dom::by_id("attached")?,
            list: dom::by_id("list")?,
            items: Rc::default(),
            names: Rc::default(),
            wanted: Rc::default(),
        })
    }

    /// Has `wanted` called whenever a file is asked for that is not at hand.
    pub(crate) fn on_wanted(&self, wanted: impl Fn() + 'static) {
        self.wanted.replace(Some(Rc::new(wanted)));
    }

    /// Empties the list, for a paste that is read again from its beginning.
    pub(crate) fn clear(&self) {
        self.list.set_text_content(None);
        for url in self.items.take().into_iter().filter_map(|i| i.url) {
            let _ = Url::revoke_object_url(&url);
        }
        self.names.take();
        dom::show(&self.card, false);
    }

    /// Whether every file was saved by its link.
    pub(crate) fn is_taken(&self) -> bool {
        self.items.borrow().iter().all(|i| i.taken)
    }

    /// How many files are listed.
    pub(crate) fn len(&self) -> usize {
        self.items.borrow().len()
    }

    /// Lists one more file, and its size where that is known.
    pub(crate) fn add(&self, name: &str, size: Option<u64>) -> Result<(), Trouble> {
        let index = self.len();
        let item: Element = dom::element("li")?;
        let link: HtmlAnchorElement = dom::element("a")?;
        link.set_class_name("name");
        // Until the file is at hand the link leads to this very paste, as it would in another tab.
        link.set_href(&dom::window()?.location().href().map_err(|_| Trouble::Browser("an address"))?);
        dom::text(&link, &names::for_showing(name));
        let label: Element = dom::element("span")?;
        label.set_class_name("size");
        if let Some(size) = size {
            dom::text(&label, &amounts::bytes(size));
        }
        let shelf = self.clone();
        dom::on(&link, "click", move |event: Event| {
            // Once it is at hand the browser saves it by itself.
            if shelf.want(index) {
                event.prevent_default();
                shelf.call();
            } else if let Some(item) = shelf.items.borrow_mut().get_mut(index) {
                item.taken = true;
            }
        });
        dom::append(&item, &link);
        dom::append(&item, &label);
        dom::append(&self.list, &item);
        let save_as = self.names.borrow_mut().add(name);
        self.items.borrow_mut().push(Item { save_as, link, size: label, wanted: false, url: None, taken: false });
        dom::show(&self.card, true);
        Ok(())
    }

    /// A file is at hand: its link saves it from now on, and it is saved at once where it was asked for.
    pub(crate) fn ready(&self, index: usize, bytes: &Blob) -> Result<(), Trouble> {
        let url = Url::create_object_url_with_blob(bytes).map_err(|_| Trouble::NoRoom)?;
        let mut items = self.items.borrow_mut();
        let Some(item) = items.get_mut(index) else { return Ok(()) };
        item.link.set_href(&url);
        item.link.set_download(&item.save_as);
        dom::text(&item.size, &amounts::bytes(bytes.size() as u64));
        let wanted = core::mem::take(&mut item.wanted);
        let name = item.save_as.clone();
        item.url = Some(url.clone());
        drop(items);
        if wanted { dom::save(&url, &name) } else { Ok(()) }
    }

    /// The first file that was asked for and is not at hand.
    pub(crate) fn next_wanted(&self) -> Option<usize> {
        self.items.borrow().iter().position(|i| i.wanted && i.url.is_none())
    }

    /// The name of a file as it is saved.
    pub(crate) fn name(&self, index: usize) -> String {
        self.items.borrow().get(index).map(|i| i.save_as.clone()).unwrap_or_default()
    }

    /// Nothing is asked for any more.
    pub(crate) fn forget_wishes(&self) {
        self.items.borrow_mut().iter_mut().for_each(|i| i.wanted = false);
    }

    /// Saves every file: those at hand now, the others when they are.
    pub(crate) async fn save_all(&self) -> Result<(), Trouble> {
        for index in 0..self.len() {
            let at_hand = {
                let items = self.items.borrow();
                items.get(index).and_then(|i| Some((i.url.clone()?, i.save_as.clone())))
            };
            if let Some((url, name)) = at_hand {
                dom::save(&url, &name)?;
                // Browsers drop downloads that are started in one breath.
                dom::sleep(150).await;
            } else {
                self.want(index);
            }
        }
        self.call();
        Ok(())
    }

    fn call(&self) {
        let wanted = self.wanted.borrow().clone();
        if let Some(wanted) = wanted {
            wanted();
        }
    }

    /// Notes that a file is asked for; whether it is not at hand.
    fn want(&self, index: usize) -> bool {
        let mut items = self.items.borrow_mut();
        let Some(item) = items.get_mut(index).filter(|i| i.url.is_none()) else { return false };
        item.wanted = true;
        true
    }
}
