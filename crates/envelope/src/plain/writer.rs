//! Writing the form: framing as bytes, and whose body is due.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use multipart_form::{Boundary, Encoder, PartHead};

use super::{BINARY, Hint, Limit, MAX_FILES, Meta, PlainError, TEXT, file_head, padded_len};

/// What a paste is to hold. A size that is not known beforehand is `None`; then [`Writer::total_len`] is too.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Title, language and formatter. Its list of files is made by [`Writer`], whatever it holds here.
    pub meta: Meta,
    /// The text's bytes of UTF-8, where there is a text.
    pub paste: Option<Option<u64>>,
    /// The files.
    pub files: Vec<NewFile>,
}

/// A file to be written.
#[derive(Clone)]
pub struct NewFile {
    /// Its name, as the reader is to see it: no path, no NUL.
    pub name: String,
    /// Its media type; empty for `application/octet-stream`.
    pub media_type: String,
    /// Its bytes.
    pub size: Option<u64>,
}

impl fmt::Debug for NewFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewFile").field("size", &self.size).finish_non_exhaustive()
    }
}

/// What to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// The text: send its bytes, tell [`Writer::sent`] how many, in any number of calls, then go on with
    /// [`Writer::next`].
    Paste {
        /// How many bytes it was said to have.
        len: Option<u64>,
    },
    /// A file: likewise.
    File {
        /// Its place in [`Contents::files`].
        index: usize,
        /// How many bytes it was said to have.
        len: Option<u64>,
    },
}

/// Writes a paste's plaintext: pull steps until there are none. Memory: the parts' headers.
pub struct Writer {
    encoder: Encoder,
    parts: Vec<Part>,
    stage: Stage,
    /// The bytes of the last step, or the entity's first.
    out: Vec<u8>,
    /// Bytes of all steps and bodies so far.
    total: u64,
    total_len: Option<u64>,
}

struct Part {
    head: PartHead,
    file: Option<usize>,
    len: Option<u64>,
}

#[derive(Clone, Copy)]
enum Stage {
    Begin,
    /// The part of this number comes, or the end.
    Part(usize),
    Announce(usize),
    Body {
        part: usize,
        sent: u64,
    },
    Padding(u64),
    Done,
}

const SPACES: &[u8; 4096] = &[b' '; 4096];

impl Writer {
    /// A writer of these contents. The boundary is fresh from a CSPRNG ([`Boundary::from_random`]), so that no body holds it.
    ///
    /// # Errors
    /// [`PlainError`]: a limit passed, or a name or type that cannot be written.
    pub fn new(boundary: Boundary, contents: Contents) -> Result<Self, PlainError> {
        let Contents { mut meta, paste, files } = contents;
        if files.len() > MAX_FILES {
            return Err(PlainError::Limit(Limit::Files));
        }
        let mut encoder = Encoder::new(boundary)?;
        let mut parts = Vec::with_capacity(files.len() + 1);
        if let Some(len) = paste {
            parts.push(Part { head: PartHead::new("paste").content_type(TEXT)?, file: None, len });
        }
        let mut hints = Some(Vec::new());
        // Behind the meta part's body comes its CR LF.
        let mut at = part_lens(&encoder, &parts)?.map(|n| n + 2);
        for (index, file) in files.into_iter().enumerate() {
            let media_type = if file.media_type.is_empty() { BINARY.into() } else { file.media_type };
            let head = file_head(&file.name, &media_type)?;
            match (&mut hints, at, file.size) {
                (Some(hints), Some(at), Some(size)) => hints.push(Hint { name: file.name, media_type, size, at }),
                _ => hints = None,
            }
            let part = Part { head, file: Some(index), len: file.size };
            at = match (at, part_len(&encoder, &part)?) {
                (Some(at), Some(len)) => Some(add(at, len)?),
                _ => None,
            };
            parts.push(part);
        }
        meta.files = hints.filter(|hints| !hints.is_empty());
        let json = match meta.encode() {
            Err(PlainError::Limit(Limit::Meta)) if meta.files.is_some() => {
                meta.files = None;
                meta.encode()
            }
            json => json,
        }?;

        let mut out = Vec::new();
        out.extend_from_slice(b"Content-Type: ");
        out.extend_from_slice(encoder.content_type().as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        encoder.begin(&PartHead::new("meta").content_type("application/json")?, &mut out)?;
        out.extend_from_slice(&json);
        encoder.end(&mut out)?;
        let total_len = match part_lens(&encoder, &parts)? {
            Some(parts) => Some(padded_len(add(add(out.len() as u64, parts)?, encoder.close_len())?)),
            None => None,
        };
        Ok(Self { encoder, parts, stage: Stage::Begin, out, total: 0, total_len })
    }

    /// The plaintext's length in all, padding and all, where every size was given.
    #[must_use]
    pub fn total_len(&self) -> Option<u64> {
        self.total_len
    }

    /// What to send next, or `None` at the end.
    ///
    /// # Errors
    /// [`PlainError::Size`] if the body before was shorter than declared.
    #[allow(clippy::should_implement_trait, reason = "a step borrows from its writer, as no iterator's item may")]
    pub fn next(&mut self) -> Result<Option<Step<'_>>, PlainError> {
        match self.stage {
            Stage::Begin => {
                self.stage = Stage::Part(0);
                self.bytes()
            }
            Stage::Part(part) => {
                self.out.clear();
                match self.parts.get(part) {
                    Some(next) => {
                        self.encoder.begin(&next.head, &mut self.out)?;
                        self.stage = Stage::Announce(part);
                    }
                    None => {
                        self.encoder.close(&mut self.out)?;
                        let end = add(self.total, self.out.len() as u64)?;
                        self.stage = Stage::Padding(padded_len(end) - end);
                    }
                }
                self.bytes()
            }
            Stage::Announce(part) => {
                self.stage = Stage::Body { part, sent: 0 };
                let Part { file, len, .. } = self.parts[part];
                Ok(Some(match file {
                    Some(index) => Step::File { index, len },
                    None => Step::Paste { len },
                }))
            }
            Stage::Body { part, sent } => {
                let Part { file, len, .. } = self.parts[part];
                if let Some(declared) = len.filter(|&len| len != sent) {
                    return Err(PlainError::Size { file, declared, came: sent });
                }
                self.out.clear();
                self.encoder.end(&mut self.out)?;
                self.stage = Stage::Part(part + 1);
                self.bytes()
            }
            Stage::Padding(0) | Stage::Done => {
                self.stage = Stage::Done;
                Ok(None)
            }
            Stage::Padding(left) => {
                let n = SPACES.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.stage = Stage::Padding(left - n as u64);
                self.total = add(self.total, n as u64)?;
                Ok(Some(Step::Bytes(&SPACES[..n])))
            }
        }
    }

    /// Tells that so many more bytes of the body that is due were sent.
    ///
    /// # Errors
    /// [`PlainError::Size`] if that is more than declared, [`PlainError::Misuse`] where no body is due.
    pub fn sent(&mut self, n: u64) -> Result<(), PlainError> {
        let Stage::Body { part, sent } = self.stage else {
            return Err(PlainError::Misuse("bytes were sent where no body was due"));
        };
        let Part { file, len, .. } = self.parts[part];
        let came = add(sent, n)?;
        if let Some(declared) = len.filter(|&len| came > len) {
            return Err(PlainError::Size { file, declared, came });
        }
        self.total = add(self.total, n)?;
        self.stage = Stage::Body { part, sent: came };
        Ok(())
    }

    fn bytes(&mut self) -> Result<Option<Step<'_>>, PlainError> {
        self.total = add(self.total, self.out.len() as u64)?;
        Ok(Some(Step::Bytes(&self.out)))
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("total", &self.total).field("total_len", &self.total_len).finish_non_exhaustive()
    }
}

fn add(a: u64, b: u64) -> Result<u64, PlainError> {
    a.checked_add(b).ok_or(PlainError::Limit(Limit::Total))
}

fn part_len(encoder: &Encoder, part: &Part) -> Result<Option<u64>, PlainError> {
    match part.len {
        Some(len) => add(len, encoder.part_len(&part.head, 0)).map(Some),
        None => Ok(None),
    }
}

fn part_lens(encoder: &Encoder, parts: &[Part]) -> Result<Option<u64>, PlainError> {
    let mut sum = Some(0);
    for part in parts {
        sum = match (sum, part_len(encoder, part)?) {
            (Some(sum), Some(len)) => Some(add(sum, len)?),
            _ => None,
        };
    }
    Ok(sum)
}
