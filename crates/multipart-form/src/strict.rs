//! What RFC 7578 asks of a form's parts beyond MIME.

use crate::error::{Error, ErrorKind};
use crate::head::Head;

/// A part of the outermost multipart of a form.
pub(crate) fn check(head: &Head<'_>) -> Result<(), Error> {
    let disposition = head.disposition().ok_or_else(|| Error::new(ErrorKind::MissingDisposition))?;
    if !disposition.is_form_data() {
        return Err(Error::new(ErrorKind::NotFormData));
    }
    if disposition.name().is_none() {
        return Err(Error::new(ErrorKind::MissingName));
    }
    inner(head)
}

/// Any part.
pub(crate) fn inner(head: &Head<'_>) -> Result<(), Error> {
    // Which of two counts is what readers disagree on.
    for (name, how) in
        [("content-type", "two Content-Types"), ("content-transfer-encoding", "two Content-Transfer-Encodings")]
    {
        if head.fields().filter(|field| field.name().eq_ignore_ascii_case(name)).count() > 1 {
            return Err(Error::new(ErrorKind::MalformedHeader(how)));
        }
    }
    head.transfer_encoding()?;
    match head.content_type() {
        Some(value) if value.is_multipart() => value.boundary().map(drop),
        _ => Ok(()),
    }
}
