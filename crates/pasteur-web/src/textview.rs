//! The text of a paste on the page, as text and never as HTML, shown while it arrives.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use js_sys::{Array, Uint8Array};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, Element, HtmlElement};

use crate::dom;
use crate::spool::blob;
use crate::trouble::Trouble;
use crate::utf8::{Decoder, block_end};

/// Bytes in a block. The browser lays out only the blocks in sight.
const BLOCK: usize = 32 << 10;
/// A line without end is broken for the eye after this many bytes of a block, or no browser could lay it out.
const LONGEST: usize = 256 << 10;
/// No more than this is put on the page; the rest is in what Save all saves.
const MOST: u64 = 8 << 20;

/// The region "Paste".
pub(crate) struct TextView {
    region: HtmlElement,
    block: RefCell<Option<Element>>,
    in_block: Cell<usize>,
    decoder: RefCell<Decoder>,
    /// Bytes that have come since the last flush.
    held: RefCell<Vec<u8>>,
    shown: Cell<u64>,
    len: Cell<u64>,
    /// The whole text in the browser's keeping.
    parts: RefCell<Array>,
}

impl TextView {
    pub(crate) fn find() -> Result<Self, Trouble> {
        Ok(Self {
            region: dom::by_id("paste")?,
            block: RefCell::default(),
            in_block: Cell::default(),
            decoder: RefCell::default(),
            held: RefCell::default(),
            shown: Cell::default(),
            len: Cell::default(),
            parts: RefCell::new(Array::new()),
        })
    }

    /// Empties the region, for a paste that is read again from its beginning.
    pub(crate) fn clear(&self) {
        self.region.set_text_content(None);
        self.block.replace(None);
        self.in_block.set(0);
        self.decoder.replace(Decoder::default());
        self.held.take();
        self.shown.set(0);
        self.len.set(0);
        self.parts.replace(Array::new());
    }

    /// Shows the region, empty or not.
    pub(crate) fn show(&self) {
        dom::show(&self.region, true);
    }

    /// Bytes of text so far.
    pub(crate) fn len(&self) -> u64 {
        self.len.get()
    }

    /// Whether the page shows less than there is.
    pub(crate) fn is_cut(&self) -> bool {
        self.len.get() > MOST
    }

    /// The whole text, for saving.
    pub(crate) fn bytes(&self) -> Result<Blob, Trouble> {
        blob(&self.parts.borrow())
    }

    /// The whole text, for copying.
    pub(crate) async fn text(&self) -> Result<String, Trouble> {
        if !self.is_cut() {
            return Ok(self.region.text_content().unwrap_or_default());
        }
        let text = JsFuture::from(self.bytes()?.text()).await.ok();
        text.and_then(|t| t.as_string()).ok_or(Trouble::NoRoom)
    }

    /// Adds bytes of text. They are held, since a text may be made to come in a million crumbs.
    pub(crate) fn push(&self, bytes: &[u8]) {
        self.len.set(self.len.get() + bytes.len() as u64);
        self.held.borrow_mut().extend_from_slice(bytes);
    }

    /// Shows what is held.
    pub(crate) fn flush(&self) -> Result<(), Trouble> {
        let bytes = self.held.take();
        if bytes.is_empty() {
            return Ok(());
        }
        let room = MOST.saturating_sub(self.shown.get());
        let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        self.shown.set(self.shown.get() + fits as u64);
        let part = blob(&Array::of1(&Uint8Array::from(&bytes[..])))?;
        self.parts.borrow().push(&part);
        let text = self.decoder.borrow_mut().push(&bytes[..fits]);
        self.add(&text)
    }

    /// The text is whole.
    pub(crate) fn finish(&self) -> Result<(), Trouble> {
        self.flush()?;
        let rest = self.decoder.borrow_mut().finish();
        self.add(&rest)
    }

    fn add(&self, mut text: &str) -> Result<(), Trouble> {
        if !text.is_empty() {
            self.show();
        }
        while !text.is_empty() {
            // A block ends with a line, so that no line break appears which the text does not have.
            let has = self.in_block.get();
            let end = block_end(text, BLOCK.saturating_sub(has), LONGEST.saturating_sub(has));
            let (now, rest) = text.split_at(end.unwrap_or(text.len()));
            let node = dom::document()?.create_text_node(now);
            let _ = self.block()?.append_child(&node);
            self.in_block.set(self.in_block.get() + now.len());
            if end.is_some() {
                self.block.replace(None);
                self.in_block.set(0);
            }
            text = rest;
        }
        Ok(())
    }

    fn block(&self) -> Result<Element, Trouble> {
        if let Some(block) = &*self.block.borrow() {
            return Ok(block.clone());
        }
        let block: Element = dom::element("div")?;
        dom::append(&self.region, &block);
        self.block.replace(Some(block.clone()));
        Ok(block)
    }
}
