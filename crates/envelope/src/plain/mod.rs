//! The plaintext: a MIME entity that is a form, written and read as it streams.
//!
//! ```text
//! Content-Type: multipart/form-data; boundary=B
//!
//! --B  meta   application/json           title, language, formatter, and where each file lies
//! --B  paste  text/plain; charset=utf-8  the text, if there is one
//! --B  file   its own type, a file name  any number of these
//! --B--
//! spaces, up to a Padmé length
//! ```

mod access;
mod error;
mod meta;
mod padme;
mod reader;
mod writer;

pub use access::{FileReader, file_range};
pub use error::{Limit, PlainError};
pub use meta::{Hint, Meta};
pub use multipart_form::Boundary;
pub use padme::padded_len;
pub use reader::{Event, FileHead, Reader};
pub use writer::{Contents, NewFile, Step, Writer};

/// The most bytes of the meta part.
pub const MAX_META: usize = 64 * 1024;
/// The most bytes of a file's name.
pub const MAX_NAME: usize = 4096;
/// The most bytes of a media type.
pub const MAX_TYPE: usize = 255;
/// The most files.
pub const MAX_FILES: usize = 10_000;

const TEXT: &str = "text/plain; charset=utf-8";
const BINARY: &str = "application/octet-stream";

/// The form parser's limits: the sizes of bodies are the envelope's affair, everything held in memory is bounded.
fn limits() -> multipart_form::Limits {
    multipart_form::Limits::unbounded()
        .parts(MAX_FILES as u64 + 2)
        // The parser counts a name as it is sent, three bytes for each that is escaped.
        .filename_bytes(3 * MAX_NAME as u64)
        .name_bytes(16)
        .preamble_bytes(0)
        .field("meta", MAX_META as u64)
}

/// A file part's header, the same for everyone who writes or looks for it.
fn file_head(name: &str, media_type: &str) -> Result<multipart_form::PartHead, PlainError> {
    if name.len() > MAX_NAME {
        return Err(PlainError::Limit(Limit::Name));
    }
    if media_type.len() > MAX_TYPE {
        return Err(PlainError::Limit(Limit::Type));
    }
    if name.contains('\0') || !is_media_type(media_type) {
        return Err(PlainError::Name);
    }
    Ok(multipart_form::PartHead::new("file").filename(name).content_type(media_type)?)
}

/// Printable ASCII, spaces inside alone: what a header carries to every reader unchanged.
fn is_media_type(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

/// A name as a form's reader gets it: WHATWG's escapes are not escaped themselves, so `%22` comes out as a quote.
fn as_read(name: &str) -> alloc::borrow::Cow<'_, str> {
    if name.contains('%') {
        name.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n").into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests;
