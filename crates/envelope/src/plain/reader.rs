//! Reading the form from its beginning.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use multipart_form::{Boundary, Event as Form, Head, Parser};

use super::{BINARY, Limit, MAX_FILES, MAX_META, MAX_NAME, MAX_TYPE, Meta, PlainError, as_read, limits};

/// The most bytes before the form.
pub(super) const MAX_ENTITY: usize = 1024;

/// What a plaintext is made of, in its order:
/// `Meta (PasteBegin PasteData* PasteEnd)? (FileBegin FileData* FileEnd)* Done`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// What the paste says of itself.
    Meta(Meta),
    /// The text begins.
    PasteBegin,
    /// Some of the text's bytes: UTF-8 if the creator kept to the format, and it may be cut inside a character.
    PasteData(&'a [u8]),
    /// The text is complete.
    PasteEnd,
    /// A file begins.
    FileBegin(FileHead),
    /// Some of the file's bytes.
    FileData(&'a [u8]),
    /// The file is complete, and as long as [`FileHead::size`] said if it did. No byte past that is ever given.
    FileEnd,
    /// The form is complete. What follows is padding.
    Done,
}

/// A file's name and type. They are whatever the creator wrote: neither a safe path nor safe HTML.
#[derive(Clone, PartialEq, Eq)]
pub struct FileHead {
    /// Its place among the files, from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes, where the meta part says.
    pub size: Option<u64>,
}

impl fmt::Debug for FileHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileHead").field("index", &self.index).field("size", &self.size).finish_non_exhaustive()
    }
}

/// Reads a plaintext: push bytes in any split, pull events. Bounded memory: the headers and the meta part.
///
/// An error sticks. That the whole plaintext came, and not a form that was cut in its padding, is for the envelope to say
/// ([`crate::Opener::close`]).
pub struct Reader {
    state: State,
    form: Option<Parser>,
    boundary: Option<Boundary>,
    /// The bytes before the form, then the meta part's.
    buf: Vec<u8>,
    entity: u64,
    meta: Meta,
    meta_end: u64,
    /// Where the current body began, and how much of it came.
    body_at: u64,
    body: u64,
    files: usize,
    failed: Option<PlainError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Entity,
    /// Between parts; before the meta part, the paste may come or only files.
    Before(Next),
    Meta,
    Paste,
    File,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Meta,
    Any,
    File,
}

/// A step that borrows nothing.
enum Turn {
    Again,
    Dry,
    Event(Event<'static>),
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader at a plaintext's first byte.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: State::Entity,
            form: None,
            boundary: None,
            buf: Vec::new(),
            entity: 0,
            meta: Meta::default(),
            meta_end: 0,
            body_at: 0,
            body: 0,
            files: 0,
            failed: None,
        }
    }

    /// The next event, or `None` where more input is needed: then all of `input` has been taken. Bytes that have been taken
    /// are removed from the front of `input`.
    ///
    /// # Errors
    /// [`PlainError`]; the same again from then on.
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Event<'a>>, PlainError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        while !matches!(self.state, State::Paste | State::File) {
            let turn = match self.state {
                State::Entity => self.entity(input),
                _ => self.between(input),
            };
            match turn {
                Ok(Turn::Again) => {}
                Ok(Turn::Dry) => return Ok(None),
                Ok(Turn::Event(event)) => return Ok(Some(event)),
                Err(error) => return Err(self.failed.insert(error).clone()),
            }
        }
        self.data(input)
    }

    /// Tells that the plaintext has ended. Call it once all input has been pushed and pulled.
    ///
    /// # Errors
    /// [`PlainError::Cut`] unless [`Event::Done`] was given; the error that was met before, if one was.
    pub fn close(&self) -> Result<(), PlainError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None if self.state == State::Done => Ok(()),
            None => Err(PlainError::Cut),
        }
    }

    /// The form's boundary and the offset of the first byte after the meta part's body, from [`Event::Meta`] on: with them
    /// and a [`super::Hint`], one file can be read by itself ([`super::FileReader`]).
    #[must_use]
    pub fn anchor(&self) -> Option<(&Boundary, u64)> {
        self.boundary.as_ref().filter(|_| self.meta_end > 0).map(|b| (b, self.meta_end))
    }

    fn entity(&mut self, input: &mut &[u8]) -> Result<Turn, PlainError> {
        while let [first, rest @ ..] = input {
            if self.buf.len() == MAX_ENTITY {
                return Err(PlainError::Limit(Limit::Entity));
            }
            self.buf.push(*first);
            *input = rest;
            if self.buf.ends_with(b"\r\n\r\n") {
                let boundary = entity_boundary(&self.buf).ok_or(PlainError::Entity)?;
                self.form = Some(Parser::new(boundary.clone(), limits()));
                self.boundary = Some(boundary);
                self.entity = self.buf.len() as u64;
                self.buf.clear();
                self.state = State::Before(Next::Meta);
                return Ok(Turn::Again);
            }
        }
        Ok(Turn::Dry)
    }

    /// A step between bodies, or in the meta part.
    fn between(&mut self, input: &mut &[u8]) -> Result<Turn, PlainError> {
        let Some(form) = &mut self.form else { return Err(PlainError::Entity) };
        let event = form.next(input)?;
        let name = match &event {
            Some(Form::Part(head)) => head.name().unwrap_or_default(),
            _ => "".into(),
        };
        match (self.state, event) {
            (_, None) => return Ok(Turn::Dry),
            (State::Before(Next::Meta), Some(Form::Part(_))) if name == "meta" => self.state = State::Meta,
            (State::Before(Next::Meta), _) => return Err(PlainError::Order("the first part has to be meta")),
            (State::Before(Next::Any), Some(Form::Part(head))) if name == "paste" => {
                if head.filename().is_some() {
                    return Err(PlainError::Order("the paste part is no file"));
                }
                self.state = State::Paste;
            }
            (State::Before(_), Some(Form::Part(head))) if name == "file" => {
                if self.files == MAX_FILES {
                    return Err(PlainError::Limit(Limit::Files));
                }
                let event =
                    Event::FileBegin(file(&head, self.files, &self.meta, self.body_at, self.body, self.meta_end)?);
                self.state = State::File;
                self.begin();
                return Ok(Turn::Event(event));
            }
            (State::Before(Next::Any), Some(Form::Part(_))) => {
                return Err(PlainError::Order("after meta come paste and file parts"));
            }
            (State::Before(_), Some(Form::Part(_))) => {
                return Err(PlainError::Order("only files may follow the paste and files"));
            }
            (State::Before(_), Some(Form::Done)) => {
                if self.meta.files.as_ref().is_some_and(|hints| hints.len() != self.files) {
                    return Err(PlainError::Hint { file: self.files });
                }
                self.state = State::Done;
                return Ok(Turn::Event(Event::Done));
            }
            (State::Meta, Some(Form::Data(bytes))) => {
                if self.buf.len() + bytes.len() > MAX_META {
                    return Err(PlainError::Limit(Limit::Meta));
                }
                self.buf.extend_from_slice(bytes);
                return Ok(Turn::Again);
            }
            (State::Meta, Some(Form::End)) => {
                self.meta = Meta::decode(&self.buf)?;
                self.body = self.buf.len() as u64;
                self.meta_end = self.body_at + self.body;
                self.buf = Vec::new();
                self.state = State::Before(Next::Any);
                return Ok(Turn::Event(Event::Meta(self.meta.clone())));
            }
            _ => return Err(PlainError::Order("meta, paste, then files")),
        }
        self.begin();
        Ok(if self.state == State::Paste { Turn::Event(Event::PasteBegin) } else { Turn::Again })
    }

    /// A body begins where the parser stands: it gives a part as soon as it took the blank line, and no byte more.
    fn begin(&mut self) {
        self.body_at = self.entity + self.form.as_ref().map_or(0, Parser::offset);
        self.body = 0;
    }

    fn data<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Event<'a>>, PlainError> {
        let Some(form) = &mut self.form else { return Err(PlainError::Entity) };
        let is_file = self.state == State::File;
        let hints = self.meta.files.as_deref().filter(|_| is_file);
        let declared = hints.and_then(|hints| hints.get(self.files)).map(|hint| hint.size);
        match form.next(input) {
            Ok(None) => Ok(None),
            Ok(Some(Form::Data(bytes))) => {
                self.body += bytes.len() as u64;
                match declared.filter(|&size| self.body > size) {
                    Some(declared) => {
                        let error = PlainError::Size { file: Some(self.files), declared, came: self.body };
                        Err(self.failed.insert(error).clone())
                    }
                    None => Ok(Some(if is_file { Event::FileData(bytes) } else { Event::PasteData(bytes) })),
                }
            }
            Ok(Some(Form::End)) => {
                if let Some(declared) = declared.filter(|&size| size != self.body) {
                    let error = PlainError::Size { file: Some(self.files), declared, came: self.body };
                    return Err(self.failed.insert(error).clone());
                }
                self.files += usize::from(is_file);
                self.state = State::Before(Next::File);
                Ok(Some(if is_file { Event::FileEnd } else { Event::PasteEnd }))
            }
            Ok(Some(_)) => Err(self.failed.insert(PlainError::Order("meta, paste, then files")).clone()),
            Err(error) => Err(self.failed.insert(error.into()).clone()),
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("state", &self.state).field("files", &self.files).finish_non_exhaustive()
    }
}

/// The boundary in an entity's header, which ends with a blank line.
fn entity_boundary(header: &[u8]) -> Option<Boundary> {
    let text = core::str::from_utf8(header).ok()?;
    let mut types = text.split("\r\n").filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-type").then_some(value)
    });
    let value = types.next()?;
    if types.next().is_some() {
        return None;
    }
    Boundary::from_form_content_type(value.trim().as_bytes()).ok()
}

/// A file's head, checked against what the meta part says of it; `previous` is where the body before began, and its length.
fn file(
    head: &Head<'_>,
    index: usize,
    meta: &Meta,
    body_at: u64,
    body: u64,
    meta_end: u64,
) -> Result<FileHead, PlainError> {
    let (name, media_type) = name_and_type(head)?;
    let Some(hints) = &meta.files else { return Ok(FileHead { index, name, media_type, size: None }) };
    let wrong = PlainError::Hint { file: index };
    let hint = hints.get(index).ok_or_else(|| wrong.clone())?;
    // The CR LF before a delimiter line belongs to the delimiter, not to the body (RFC 2046, section 5.1.1).
    let at = body_at + body + 2 - meta_end;
    if hint.at != at || hint.media_type != media_type || as_read(&hint.name) != name {
        return Err(wrong);
    }
    Ok(FileHead { index, name: hint.name.clone(), media_type, size: Some(hint.size) })
}

/// A file part's name and type.
pub(super) fn name_and_type(head: &Head<'_>) -> Result<(String, String), PlainError> {
    let name = head.filename().ok_or(PlainError::Order("a file part has a file name"))?;
    if name.len() > MAX_NAME {
        return Err(PlainError::Limit(Limit::Name));
    }
    let media_type = match head.content_type_raw() {
        Some(raw) if raw.len() > MAX_TYPE => return Err(PlainError::Limit(Limit::Type)),
        Some(raw) => core::str::from_utf8(raw).map_err(|_| PlainError::Name)?,
        None => BINARY,
    };
    Ok((name.into_owned(), media_type.to_string()))
}
