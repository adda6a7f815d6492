//! The plaintext of a new paste as one Blob: framing from `envelope`, and the chosen files themselves, which are not read
//! before their turn to be sealed comes.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use envelope::plain::{Boundary, Contents, Meta, NewFile, PlainError, Step, Writer};
use envelope::sealed_len;
use js_sys::{Array, Uint8Array};
use web_sys::{Blob, File};

use crate::random;
use crate::spool::blob;
use crate::trouble::Trouble;

/// Framing and padding are given to the browser in pieces of about this many bytes.
const PIECE: usize = 1 << 20;

/// A laid-out plaintext.
#[derive(Debug)]
pub(crate) struct Form(Blob);

impl Form {
    /// Lays out a paste. A text or title that is empty is left out.
    pub(crate) fn lay_out(text: &str, title: &str, files: &[File]) -> Result<Self, Trouble> {
        let title = title.trim();
        let contents = Contents {
            meta: Meta { title: (!title.is_empty()).then(|| String::from(title)), ..Meta::default() },
            paste: (!text.is_empty()).then_some(Some(text.len() as u64)),
            files: files.iter().map(new_file).collect(),
        };
        let mut writer = Writer::new(Boundary::from_random(&random::bytes()?), contents).map_err(|e| cannot(&e))?;
        let mut parts = Parts { whole: Array::new(), bytes: Vec::new() };
        while let Some(step) = writer.next().map_err(|e| cannot(&e))? {
            let sent = match step {
                Step::Bytes(bytes) => {
                    parts.bytes(bytes)?;
                    continue;
                }
                Step::Paste { .. } => {
                    parts.bytes(text.as_bytes())?;
                    text.len() as u64
                }
                Step::File { index, .. } => {
                    let file = files.get(index).ok_or(Trouble::Browser("the list of files"))?;
                    parts.file(file)?;
                    file.size() as u64
                }
            };
            writer.sent(sent).map_err(|e| cannot(&e))?;
        }
        parts.flush()?;
        Ok(Self(blob(&parts.whole)?))
    }

    /// The plaintext.
    pub(crate) fn plain(&self) -> &Blob {
        &self.0
    }

    /// Bytes of content it will be once sealed.
    pub(crate) fn sealed_len(&self) -> u64 {
        sealed_len(self.0.size() as u64)
    }
}

fn new_file(file: &File) -> NewFile {
    NewFile { name: file.name(), media_type: file.type_(), size: Some(file.size() as u64) }
}

fn cannot(error: &PlainError) -> Trouble {
    Trouble::Contents(error.to_string())
}

struct Parts {
    whole: Array,
    bytes: Vec<u8>,
}

impl Parts {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    fn file(&mut self, file: &File) -> Result<(), Trouble> {
        self.flush()?;
        self.whole.push(file);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        if !self.bytes.is_empty() {
            let bytes = blob(&Array::of1(&Uint8Array::from(&self.bytes[..])))?;
            self.whole.push(&bytes);
            self.bytes.clear();
        }
        Ok(())
    }
}
