//! From opened segments to text on the page and files on the shelf.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec::Vec;

use envelope::plain::{Boundary, Event, FileReader, Hint, Meta, PlainError, Reader, file_range};
use web_sys::Blob;

use crate::buffers::{copy_into, release};
use crate::job::Job;
use crate::opening::{Opening, Sealed};
use crate::show::Page;
use crate::spool::Spool;
use crate::trouble::Trouble;
use crate::{dom, names};

/// Pastes of up to this many sealed bytes are read whole at once; of larger ones a file is fetched when it is asked for.
const WHOLE: u64 = 16 << 20;

/// Bytes of a text that are shown before anything else is done: the first screen, whatever the screen.
const FIRST: u32 = 64 << 10;
/// Bytes that are worked on at once after that: the page answers its user in between.
const SLICE: u32 = 512 << 10;

/// What single files of a paste are read from.
#[derive(Debug)]
pub(crate) struct Paste {
    sealed: Rc<Sealed>,
    boundary: Boundary,
    meta_end: u64,
    hints: Vec<Hint>,
}

/// Reads a paste from its beginning: to its end if it burns or is small, else as far as its text goes.
pub(crate) async fn read(page: &Page, job: &Job, opening: &mut Opening, burn: bool) -> Result<(), Trouble> {
    let sealed = opening.sealed();
    let whole = burn || sealed.plan.sealed_len() <= WHOLE;
    let all = sealed.plan.plain_len();
    let mut reader = Reader::new();
    let mut buffer = Vec::new();
    let mut spool: Option<Spool> = None;
    let mut hints: Option<Vec<Hint>> = None;
    page.panel.begin(job, "Opening …");
    while let Some((place, plain)) = opening.next().await? {
        let mut at = 0;
        while at < plain.length() {
            let slice = if page.text.len() == 0 && spool.is_none() { FIRST } else { SLICE };
            let end = at.saturating_add(slice).min(plain.length());
            copy_into(&mut buffer, &plain.subarray(at, end));
            at = end;
            let mut input = &buffer[..];
            loop {
                match reader.next(&mut input).map_err(|e| form(&e))? {
                    None => break,
                    Some(Event::Meta(meta)) => hints = list(page, meta)?,
                    Some(Event::PasteBegin) => page.text.show(),
                    Some(Event::PasteData(bytes)) => page.text.push(bytes),
                    Some(Event::PasteEnd) => page.text.finish()?,
                    Some(Event::FileBegin(head)) => {
                        if let Some(hints) = hints.take_if(|_| !whole) {
                            keep(page, &sealed, &reader, hints);
                            opening.close();
                            return Ok(());
                        }
                        if hints.is_none() {
                            page.shelf.add(&head.name, head.size)?;
                        }
                        spool = Some(Spool::new(&page.room, head.index));
                    }
                    Some(Event::FileData(bytes)) => {
                        if let Some(spool) = &mut spool {
                            spool.write(bytes).await?;
                        }
                    }
                    Some(Event::FileEnd) => {
                        if let Some(spool) = spool.take() {
                            let index = spool.index();
                            page.shelf.ready(index, &spool.finish().await?)?;
                        }
                    }
                    Some(_) => {}
                }
            }
            page.text.flush()?;
            // The text that has come is drawn before more of it is laid out.
            if page.text.len() > 0 && spool.is_none() {
                dom::drawn().await;
            }
        }
        release(&plain.buffer());
        page.panel.progress(place.plain.end, all);
    }
    reader.close().map_err(|e| form(&e))?;
    if page.text.len() == 0 && page.shelf.len() == 0 {
        page.text.show();
    }
    Ok(())
}

/// Fetches every file that is asked for, one after the other.
pub(crate) async fn fetch_wanted(page: &Page) {
    // A paste that is still being read brings its files by itself.
    if page.fetching.get() || page.paste.borrow().is_none() {
        return;
    }
    page.fetching.set(true);
    while let Some(index) = page.shelf.next_wanted() {
        let fetched = fetch(page, index).await;
        page.panel.end();
        let outcome = match fetched {
            Ok(bytes) => page.shelf.ready(index, &bytes),
            Err(trouble) => Err(trouble),
        };
        match outcome {
            Ok(()) => page.panel.say(&format!("“{}” is being saved.", page.shelf.name(index))),
            Err(trouble) => {
                page.shelf.forget_wishes();
                page.panel.tell(&trouble);
            }
        }
    }
    page.fetching.set(false);
}

async fn fetch(page: &Page, index: usize) -> Result<Blob, Trouble> {
    let job = Job::new()?;
    let (sealed, range, mut reader, size) = {
        let paste = page.paste.borrow();
        let paste = paste.as_ref().ok_or(Trouble::Altered)?;
        let hint = paste.hints.get(index).ok_or(Trouble::Altered)?;
        let range = file_range(&paste.boundary, paste.meta_end, hint).map_err(|e| form(&e))?;
        let reader = FileReader::new(&paste.boundary, index, hint.clone());
        (paste.sealed.clone(), range, reader, hint.size)
    };
    page.panel.begin(&job, &format!("Fetching “{}” …", page.shelf.name(index)));
    let mut opening = Opening::part(&job, &sealed, range.clone());
    let mut spool = Spool::new(&page.room, index);
    let mut buffer = Vec::new();
    while let Some((place, plain)) = opening.next().await? {
        // The first and the last segment hold more than this file.
        let from = range.start.saturating_sub(place.plain.start).min(u64::from(plain.length()));
        let to = range.end.saturating_sub(place.plain.start).min(u64::from(plain.length()));
        copy_into(&mut buffer, &plain.subarray(from as u32, to as u32));
        release(&plain.buffer());
        let mut input = &buffer[..];
        while let Some(event) = reader.next(&mut input).map_err(|e| form(&e))? {
            let Event::FileData(bytes) = event else { continue };
            spool.write(bytes).await?;
        }
        page.panel.progress(spool.len(), size);
    }
    opening.close();
    reader.close().map_err(|e| form(&e))?;
    spool.finish().await
}

/// Title and files, as the meta part says; where the files lie, if it says so.
fn list(page: &Page, meta: Meta) -> Result<Option<Vec<Hint>>, Trouble> {
    if let Some(title) = meta.title.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
        dom::text(&page.title, &names::for_showing(title));
    }
    for hint in meta.files.iter().flatten() {
        page.shelf.add(&hint.name, Some(hint.size))?;
    }
    Ok(meta.files)
}

fn keep(page: &Page, sealed: &Rc<Sealed>, reader: &Reader, hints: Vec<Hint>) {
    if let Some((boundary, meta_end)) = reader.anchor() {
        let paste = Paste { sealed: sealed.clone(), boundary: boundary.clone(), meta_end, hints };
        page.paste.replace(Some(paste));
    }
}

fn form(error: &PlainError) -> Trouble {
    Trouble::Form(error.to_string())
}
