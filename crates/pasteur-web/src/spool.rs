//! Where a file's plaintext waits until it is saved: small ones in Blobs, large ones in this origin's private file
//! system, so that a tab's memory does not grow with them.
//!
//! Each visit has a folder of its own and holds a lock of its name. A folder whose lock nobody holds was left behind by
//! a visit that ended, and is removed by the next; one that is held, once it is no more. It is not removed by the page that is left: what its user saves last may still be on
//! its way from there, and can be the only copy.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use js_sys::{Array, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, BlobPropertyBag, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemRemoveOptions, FileSystemWritableFileStream,
};

use crate::bindings::LOCKS;
use crate::buffers::release;
use crate::trouble::Trouble;
use crate::{dom, random};

/// Milliseconds after which what earlier visits left behind is removed.
const CLEANED_AFTER: u32 = 2000;
/// How often that is tried of a page that has gone, each time after as long.
const REMOVALS: u32 = 30;

const PREFIX: &str = "pasteur-visit-";
/// From this many bytes on a file goes to disk.
const LARGE: u64 = 8 << 20;
/// Bytes are given to the browser in lumps of at least this size.
const LUMP: usize = 1 << 18;
/// Every blob's type: a browser saves it, and never renders it in this origin.
const TYPE: &str = "application/octet-stream";

/// This visit's folder, made when it is first needed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room {
    folder: Rc<RefCell<Option<FileSystemDirectoryHandle>>>,
    next: Rc<Cell<u32>>,
}

impl Room {
    async fn folder(&self) -> Option<FileSystemDirectoryHandle> {
        if let Some(folder) = self.folder.borrow().clone() {
            return Some(folder);
        }
        let name = name()?;
        hold(&name);
        let options = FileSystemGetDirectoryOptions::new();
        options.set_create(true);
        let folder = settled(root().await?.get_directory_handle_with_options(&name, &options)).await?;
        *self.folder.borrow_mut() = Some(folder);
        self.folder.borrow().clone()
    }

    /// Whether the browser lacks the room for `bytes`: it is asked to make a file so long. What it says of its room by itself
    /// (`navigator.storage.estimate`) is the same for everybody, lest it tell users apart.
    pub(crate) async fn lacks(&self, bytes: u64) -> bool {
        if bytes <= LARGE {
            return false;
        }
        // Where no files can be kept, they are kept as Blobs, and nothing can be known before.
        let Some((_, sink)) = self.file().await else { return false };
        let lacks = written(sink.truncate_with_f64(bytes as f64)).await.is_err();
        let _ = JsFuture::from(sink.abort()).await;
        lacks
    }

    /// Removes what has been written so far: it is read again from its beginning.
    pub(crate) async fn clear(&self) {
        let Some(folder) = self.folder.borrow().clone() else { return };
        for n in 0..self.next.get() {
            if let Ok(removed) = JsFuture::from(folder.remove_entry(&format!("{n}"))).await {
                drop(removed);
            }
        }
    }

    async fn file(&self) -> Option<(FileSystemFileHandle, FileSystemWritableFileStream)> {
        let n = self.next.replace(self.next.get() + 1);
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let folder = self.folder().await?;
        let file: FileSystemFileHandle =
            settled(folder.get_file_handle_with_options(&format!("{n}"), &options)).await?;
        let sink = settled(file.create_writable()).await?;
        Some((file, sink))
    }
}

/// One file on its way.
#[derive(Debug)]
pub(crate) struct Spool {
    index: usize,
    room: Room,
    parts: Array,
    held: Vec<u8>,
    len: u64,
    disk: Disk,
}

#[derive(Debug)]
enum Disk {
    Untried,
    /// There is no private file system here, as in some private windows.
    None,
    Open(FileSystemFileHandle, FileSystemWritableFileStream),
}

impl Spool {
    /// For the file of this place among the paste's files.
    pub(crate) fn new(room: &Room, index: usize) -> Self {
        Self { index, room: room.clone(), parts: Array::new(), held: Vec::new(), len: 0, disk: Disk::Untried }
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Takes the next bytes. They are passed on in lumps, since a file may be made to come in a million crumbs.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.len += bytes.len() as u64;
        if self.held.is_empty() && bytes.len() >= LUMP {
            return self.pass_on(&Uint8Array::from(bytes)).await;
        }
        self.held.extend_from_slice(bytes);
        if self.held.len() >= LUMP { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Trouble> {
        if self.held.is_empty() {
            return Ok(());
        }
        let bytes = Uint8Array::from(&self.held[..]);
        self.held.clear();
        self.pass_on(&bytes).await
    }

    /// The whole file.
    pub(crate) async fn finish(mut self) -> Result<Blob, Trouble> {
        self.flush().await?;
        match &self.disk {
            Disk::Open(file, sink) => {
                written(Ok(sink.close())).await?;
                let file: Blob = settled(file.get_file()).await.ok_or(Trouble::NoRoom)?;
                // A file that lacks bytes is not to be offered as if it were whole.
                if file.size() as u64 != self.len {
                    return Err(Trouble::NoRoom);
                }
                file.slice_with_f64_and_f64_and_content_type(0.0, file.size(), TYPE).map_err(|_| Trouble::NoRoom)
            }
            Disk::Untried | Disk::None => blob(&self.parts),
        }
    }

    async fn pass_on(&mut self, bytes: &Uint8Array) -> Result<(), Trouble> {
        if matches!(self.disk, Disk::Untried) && self.len > LARGE {
            self.disk = match self.room.file().await {
                Some((file, sink)) => {
                    let so_far = blob(&self.parts)?;
                    self.parts = Array::new();
                    written(sink.write_with_blob(&so_far)).await?;
                    Disk::Open(file, sink)
                }
                None => Disk::None,
            };
        }
        match &self.disk {
            Disk::Open(_, sink) => written(sink.write_with_js_u8_array(bytes)).await?,
            // A Blob's bytes are the browser's to keep, on disk where they are many.
            Disk::Untried | Disk::None => {
                let part = blob(&Array::of1(bytes))?;
                self.parts.push(&part);
            }
        }
        release(&bytes.buffer());
        Ok(())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // What was not finished gives its room back; a sink that was closed has nothing to abort.
        if let Disk::Open(_, sink) = &self.disk {
            let aborted = sink.abort();
            wasm_bindgen_futures::spawn_local(async move {
                let _ = JsFuture::from(aborted).await;
            });
        }
    }
}

/// Removes what earlier visits left behind, once the first screen had the browser to itself.
pub(crate) fn clean_later() {
    wasm_bindgen_futures::spawn_local(async {
        dom::sleep(CLEANED_AFTER).await;
        clean().await;
    });
}

async fn clean() {
    let Some(root) = root().await else { return };
    let names = root.keys();
    loop {
        let Ok(promise) = names.next_iterator() else { return };
        let Ok(next) = JsFuture::from(promise).await else { return };
        let Some(name) = Reflect::get(&next, &"value".into()).ok().and_then(|n| n.as_string()) else { return };
        if name.starts_with(PREFIX) {
            remove_when_left(&root, &name);
        }
    }
}

/// Removes a visit's folder as soon as its page is gone. A browser may take a while to let go of a page and of its files; and another
/// tab may be at it still.
fn remove_when_left(root: &FileSystemDirectoryHandle, name: &str) {
    let (root, folder) = (root.clone(), name.to_owned());
    let remove = Closure::once_into_js(move |_: JsValue| -> JsValue {
        let removed = async move {
            let options = FileSystemRemoveOptions::new();
            options.set_recursive(true);
            for _ in 0..REMOVALS {
                dom::sleep(CLEANED_AFTER).await;
                let removed = JsFuture::from(root.remove_entry_with_options(&folder, &options)).await;
                let name = removed.err().and_then(|error| Reflect::get(&error, &"name".into()).ok());
                if name.is_none_or(|name| name == "NotFoundError") {
                    break;
                }
            }
            Ok(JsValue::UNDEFINED)
        };
        wasm_bindgen_futures::future_to_promise(removed).into()
    });
    LOCKS.with(|locks| {
        if let Some(locks) = locks {
            let removed = locks.request(name, remove.unchecked_ref());
            // What cannot be removed now stays until another visit.
            wasm_bindgen_futures::spawn_local(async move {
                let _ = JsFuture::from(removed).await;
            });
        }
    });
}

/// Holds the lock of this name until the page goes.
fn hold(name: &str) {
    let for_ever = Closure::once_into_js(|_: JsValue| -> JsValue { Promise::new(&mut |_, _| {}).into() });
    LOCKS.with(|locks| {
        if let Some(locks) = locks {
            let _ = locks.request(name, for_ever.unchecked_ref());
        }
    });
}

fn name() -> Option<String> {
    let [a, b, c, d] = random::bytes::<4>().ok()?;
    Some(format!("{PREFIX}{:08x}", u32::from_be_bytes([a, b, c, d])))
}

async fn root() -> Option<FileSystemDirectoryHandle> {
    let storage = dom::window().ok()?.navigator().storage();
    if storage.is_undefined() {
        return None;
    }
    settled(storage.get_directory()).await
}

async fn settled<T: JsCast>(promise: Promise) -> Option<T> {
    JsFuture::from(promise).await.ok().map(JsCast::unchecked_into)
}

async fn written(promise: Result<Promise, JsValue>) -> Result<(), Trouble> {
    let promise = promise.map_err(|_| Trouble::NoRoom)?;
    JsFuture::from(promise).await.map(|_| ()).map_err(|_| Trouble::NoRoom)
}

/// A Blob of these parts.
pub(crate) fn blob(parts: &Array) -> Result<Blob, Trouble> {
    let options = BlobPropertyBag::new();
    options.set_type(TYPE);
    Blob::new_with_blob_sequence_and_options(parts, &options).map_err(|_| Trouble::NoRoom)
}
