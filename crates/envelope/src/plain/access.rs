//! Reading one file without the others, where the meta part says how.

use core::fmt;
use core::ops::Range;

use multipart_form::{Boundary, Encoder, Event as Form, Parser};

use super::reader::name_and_type;
use super::{Event, FileHead, Hint, PlainError, as_read, file_head, limits};

/// The bytes of the plaintext that [`FileReader`] needs for a file: its part, and the delimiter behind it. Boundary and
/// `meta_end` are [`super::Reader::anchor`]'s. [`crate::SegmentPlan::covering`] tells which segments hold them.
///
/// # Errors
/// [`PlainError`] if no writer would have written this hint.
pub fn file_range(boundary: &Boundary, meta_end: u64, hint: &Hint) -> Result<Range<u64>, PlainError> {
    let wrong = PlainError::Limit(super::Limit::Total);
    let encoder = Encoder::new(boundary.clone())?;
    let framing = encoder.part_len(&file_head(&hint.name, &hint.media_type)?, 0) + encoder.close_len();
    let start = meta_end.checked_add(hint.at).ok_or_else(|| wrong.clone())?;
    let end = start.checked_add(framing).and_then(|end| end.checked_add(hint.size)).ok_or(wrong)?;
    Ok(start..end)
}

/// Reads one file's part, from its delimiter line on: push the bytes of [`file_range`] in any split, pull
/// `FileBegin FileData* FileEnd Done`. Whatever is not as the hint says is an error, which sticks.
pub struct FileReader {
    form: Parser,
    index: usize,
    hint: Hint,
    body: u64,
    state: State,
    failed: Option<PlainError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Before,
    Body,
    Ended,
    Done,
}

impl FileReader {
    /// A reader of the file with this place among the files and this hint.
    #[must_use]
    pub fn new(boundary: &Boundary, index: usize, hint: Hint) -> Self {
        let form = Parser::new(boundary.clone(), limits());
        Self { form, index, hint, body: 0, state: State::Before, failed: None }
    }

    /// The next event, or `None` where more input is needed, or after [`Event::Done`]; then all of `input` has been taken.
    ///
    /// # Errors
    /// [`PlainError::Hint`] or [`PlainError::Size`] where something else lies here; the same again from then on.
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Event<'a>>, PlainError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let wrong = PlainError::Hint { file: self.index };
        match self.state {
            State::Ended => {
                self.state = State::Done;
                return Ok(Some(Event::Done));
            }
            State::Done => {
                *input = &[];
                return Ok(None);
            }
            State::Before | State::Body => {}
        }
        match self.form.next(input) {
            Ok(None) => Ok(None),
            Ok(Some(Form::Part(head))) if self.state == State::Before => {
                let same = head.name().as_deref() == Some("file")
                    && name_and_type(&head)
                        .is_ok_and(|(name, kind)| name == as_read(&self.hint.name) && kind == self.hint.media_type);
                if !same {
                    return Err(self.failed.insert(wrong).clone());
                }
                self.state = State::Body;
                Ok(Some(Event::FileBegin(FileHead {
                    index: self.index,
                    name: self.hint.name.clone(),
                    media_type: self.hint.media_type.clone(),
                    size: Some(self.hint.size),
                })))
            }
            Ok(Some(Form::Data(bytes))) => {
                self.body += bytes.len() as u64;
                if self.body > self.hint.size {
                    return Err(self.failed.insert(size(self.index, &self.hint, self.body)).clone());
                }
                Ok(Some(Event::FileData(bytes)))
            }
            Ok(Some(Form::End)) => {
                if self.body != self.hint.size {
                    return Err(self.failed.insert(size(self.index, &self.hint, self.body)).clone());
                }
                self.state = State::Ended;
                Ok(Some(Event::FileEnd))
            }
            Ok(Some(_)) => Err(self.failed.insert(wrong).clone()),
            // Where no delimiter line lies, the parser finds a preamble, which it was allowed none of.
            Err(_) if self.state == State::Before => Err(self.failed.insert(wrong).clone()),
            Err(error) => Err(self.failed.insert(error.into()).clone()),
        }
    }

    /// Tells that the input has ended.
    ///
    /// # Errors
    /// [`PlainError::Cut`] unless the file was complete; the error that was met before, if one was.
    pub fn close(&self) -> Result<(), PlainError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None if matches!(self.state, State::Ended | State::Done) => Ok(()),
            None => Err(PlainError::Cut),
        }
    }
}

fn size(index: usize, hint: &Hint, came: u64) -> PlainError {
    PlainError::Size { file: Some(index), declared: hint.size, came }
}

impl fmt::Debug for FileReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReader").field("index", &self.index).field("state", &self.state).finish_non_exhaustive()
    }
}
