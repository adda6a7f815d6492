//! The form that creates a paste: its four parts in their order, the content streamed.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use api::{Expiry, Token, field};
use multipart_form::{Boundary, Encoder, PartHead};

use super::early::Sending;
use crate::failure::Failure;

/// A paste on its way to a server.
pub(crate) struct Upload {
    content_type: String,
    head: Vec<u8>,
    content: Box<dyn Read + Send>,
    content_length: Option<u64>,
    tail: Vec<u8>,
    failed: Failed,
}

/// What went wrong with the input while it was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failed(Arc<Mutex<Option<Failure>>>);

impl Failed {
    /// Remembers the first failure.
    pub(crate) fn set(&self, failure: Failure) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }

    pub(super) fn take(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Upload {
    /// A form whose `content` is the ciphertext, of `content_length` bytes where that is known.
    /// Whoever makes the content tells `failed` why it ended in an error.
    pub(crate) fn new(
        header: &str,
        read: &Token,
        expiry: Expiry,
        content: impl Read + Send + 'static,
        content_length: Option<u64>,
        failed: Failed,
    ) -> Result<Self, Failure> {
        let mut random = [0; 18];
        getrandom::fill(&mut random).map_err(Failure::Random)?;
        let mut form = Form { encoder: Encoder::new(Boundary::from_random(&random))?, head: Vec::new() };
        form.field(field::HEADER, header.as_bytes())?;
        form.field(field::READ, Token::encode_hash(&read.hash()).as_bytes())?;
        form.field(field::EXPIRES_IN, expiry.to_string().as_bytes())?;
        let Form { mut encoder, mut head } = form;
        let content_head = PartHead::new(field::CONTENT).content_type("application/octet-stream")?;
        encoder.begin(&content_head, &mut head)?;
        let mut tail = Vec::new();
        encoder.end(&mut tail)?;
        encoder.close(&mut tail)?;
        let content_type = encoder.content_type();
        Ok(Self { content_type, head, content: Box::new(content), content_length, tail, failed })
    }

    pub(super) fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The body's length, where the content's is known.
    pub(super) fn length(&self) -> Option<u64> {
        let framing = self.head.len() as u64 + self.tail.len() as u64;
        self.content_length?.checked_add(framing)
    }

    pub(super) fn failed(&self) -> Failed {
        self.failed.clone()
    }

    pub(super) fn into_body(self, sending: Sending) -> impl Read {
        let left = self.length();
        let form = io::Cursor::new(self.head).chain(self.content).chain(io::Cursor::new(self.tail));
        UntilStopped { form: Some(form), left, sending }
    }
}

/// The parts before the content.
struct Form {
    encoder: Encoder,
    head: Vec<u8>,
}

impl Form {
    fn field(&mut self, name: &str, value: &[u8]) -> Result<(), Failure> {
        self.encoder.begin(&PartHead::new(name), &mut self.head)?;
        self.head.extend_from_slice(value);
        self.encoder.end(&mut self.head)?;
        Ok(())
    }
}

/// A body that ends at once when the other side takes no more: it is dropped, and what is missing of an announced
/// length is made up with zeros, which go nowhere.
struct UntilStopped<R> {
    form: Option<R>,
    left: Option<u64>,
    sending: Sending,
}

impl<R: Read> Read for UntilStopped<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.sending.stopped() {
            self.form = None;
        }
        let amount = match (&mut self.form, self.left) {
            (Some(form), _) => form.read(into)?,
            (None, None) => 0,
            (None, Some(left)) => {
                let amount = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                into[..amount].fill(0);
                amount
            }
        };
        self.left = self.left.map(|left| left.saturating_sub(amount as u64));
        Ok(amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_stand_in_their_order_and_the_length_is_right() {
        let read = Token::new([1; 32]);
        let content = &b"sealed"[..];
        let upload = Upload::new("{}", &read, Expiry::In(60), content, Some(6), Failed::default()).unwrap();
        let length = upload.length().unwrap();
        let mut body = String::new();
        upload.into_body(Sending::default()).read_to_string(&mut body).unwrap();
        assert_eq!(body.len() as u64, length);
        let names: Vec<_> = body.split("name=\"").skip(1).filter_map(|p| p.split('"').next()).collect();
        assert_eq!(names, ["header", "read", "expires_in", "content"]);
        assert!(body.contains(&Token::encode_hash(&read.hash())) && !body.contains(&*read.encode()));
        assert!(body.contains("\r\n\r\nsealed\r\n--") && body.ends_with("--\r\n"));
    }
}
