//! The files chosen on the create page: from the file input, dropped anywhere, or pasted.

use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use wasm_bindgen::JsCast;
use web_sys::{ClipboardEvent, DataTransfer, DragEvent, Element, Event, File, FileList, HtmlElement, HtmlInputElement};

use crate::trouble::Trouble;
use crate::{amounts, dom, names};

/// The files chosen so far, and their list on the page. Clones are the same list.
#[derive(Clone)]
pub(crate) struct Files {
    chosen: Rc<RefCell<Vec<File>>>,
    list: Element,
    input: HtmlInputElement,
    changed: Rc<dyn Fn()>,
}

impl Files {
    /// Watches input, drops and clipboard; calls `changed` whenever the list did.
    pub(crate) fn watch(changed: impl Fn() + 'static) -> Result<Self, Trouble> {
        let files = Self {
            chosen: Rc::default(),
            list: dom::by_id("chosen")?,
            input: dom::by_id("files")?,
            changed: Rc::new(changed),
        };
        files.watch_input();
        files.watch_drops()?;
        files.watch_clipboard()?;
        // Chosen before this program had started.
        files.take_input();
        Ok(files)
    }

    /// What is chosen now.
    pub(crate) fn all(&self) -> Vec<File> {
        self.chosen.borrow().clone()
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.chosen.borrow().iter().map(|f| f.size() as u64).fold(0, u64::saturating_add)
    }

    fn watch_input(&self) {
        let files = self.clone();
        dom::on(&self.input, "change", move |_: Event| files.take_input());
    }

    fn take_input(&self) {
        self.add(self.input.files());
        // So that a file which was removed from the list can be chosen again.
        self.input.set_value("");
    }

    fn watch_drops(&self) -> Result<(), Trouble> {
        let window = dom::window()?;
        let veil: HtmlElement = dom::by_id("veil")?;
        let shown = veil.clone();
        dom::on(&window, "dragover", move |event: DragEvent| {
            if event.data_transfer().is_some_and(|d| carries_files(&d)) {
                event.prevent_default();
                dom::show(&shown, true);
            }
        });
        let hidden = veil.clone();
        dom::on(&window, "dragleave", move |event: DragEvent| {
            // Leaving one element for another is not leaving the page.
            if event.related_target().is_none() {
                dom::show(&hidden, false);
            }
        });
        let files = self.clone();
        dom::on(&window, "drop", move |event: DragEvent| {
            dom::show(&veil, false);
            if let Some(data) = event.data_transfer().filter(carries_files) {
                event.prevent_default();
                files.add(data.files());
            }
        });
        Ok(())
    }

    fn watch_clipboard(&self) -> Result<(), Trouble> {
        let files = self.clone();
        let document = dom::document()?;
        dom::on(&document, "paste", move |event: ClipboardEvent| {
            let Some(data) = event.clipboard_data() else { return };
            // Text goes where the cursor is, as ever.
            if carries_files(&data) && data.files().is_some_and(|f| f.length() > 0) {
                event.prevent_default();
                files.add(data.files());
            }
        });
        Ok(())
    }

    fn add(&self, new: Option<FileList>) {
        let Some(new) = new else { return };
        if new.length() == 0 {
            return;
        }
        self.chosen.borrow_mut().extend((0..new.length()).filter_map(|i| new.get(i)));
        self.draw();
    }

    fn draw(&self) {
        self.list.set_text_content(None);
        for file in &*self.chosen.borrow() {
            // A list that cannot be drawn in part is still sent in full.
            let _ = self.draw_one(file);
        }
        dom::show(self.list.unchecked_ref(), !self.chosen.borrow().is_empty());
        (self.changed)();
    }

    fn draw_one(&self, file: &File) -> Result<(), Trouble> {
        let shown = names::for_showing(&file.name());
        let item: Element = dom::element("li")?;
        let name: Element = dom::element("span")?;
        name.set_class_name("name");
        dom::text(&name, &shown);
        let size: Element = dom::element("span")?;
        size.set_class_name("size");
        dom::text(&size, &amounts::bytes(file.size() as u64));
        let remove: HtmlElement = dom::element("button")?;
        dom::attribute(&remove, "type", "button");
        dom::attribute(&remove, "class", "ghost");
        dom::attribute(&remove, "aria-label", &format!("Remove {shown}"));
        dom::text(&remove, "Remove");
        let (files, gone) = (self.clone(), file.clone());
        dom::on(&remove, "click", move |_: Event| {
            files.chosen.borrow_mut().retain(|f| *f != gone);
            files.draw();
            // The button that had the focus is gone.
            let _ = files.input.focus();
        });
        dom::append(&item, &name);
        dom::append(&item, &size);
        dom::append(&item, &remove);
        dom::append(&self.list, &item);
        Ok(())
    }
}

fn carries_files(data: &DataTransfer) -> bool {
    data.types().includes(&"Files".into(), 0)
}
