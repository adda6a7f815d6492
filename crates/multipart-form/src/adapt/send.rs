//! Forms to be sent: the framing and the bodies as one source of bytes, of a length that is known in advance where the
//! bodies' lengths are.

#[cfg(feature = "stream")]
mod stream;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use std::io::{self, Cursor, Read};

use crate::boundary::Boundary;
use crate::encode::{Encoder, PartHead};
use crate::error::{Error, ErrorKind};

#[cfg(feature = "stream")]
pub use stream::FormStream;

/// A form that is put together, out of bodies of type `B`: readers, or streams.
///
/// ```
/// use multipart_form::{Boundary, FormBuilder, PartHead};
/// use std::io::Read;
///
/// let mut form = FormBuilder::new(Boundary::new("x")?)?;
/// form.part(&PartHead::new("a"), &b"hello"[..], Some(5))?;
/// let (content_type, len) = (form.content_type(), form.len());
/// let mut body = Vec::new();
/// form.into_reader()?.read_to_end(&mut body)?;
/// assert_eq!(content_type, "multipart/form-data; boundary=x");
/// assert_eq!(len, Some(body.len() as u64));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FormBuilder<B> {
    encoder: Encoder,
    steps: VecDeque<Step<B>>,
    /// Of all steps and the framing; unknown where a body's is.
    len: Option<u64>,
    framing: Vec<u8>,
}

/// A form as [`Read`]. Once it has failed it fails for ever, so that no part of it is taken for the whole.
pub struct FormReader<B> {
    steps: VecDeque<Step<B>>,
    failed: bool,
}

enum Step<B> {
    Framing(Cursor<Vec<u8>>),
    /// A body and how many bytes it still has to have.
    Body(B, Option<u64>),
}

const WRONG_LEN: ErrorKind = ErrorKind::Misuse("a body has another length than was said");
const FAILED: ErrorKind = ErrorKind::Misuse("the form has failed before");

impl<B> FormBuilder<B> {
    /// A form with this boundary.
    ///
    /// # Errors
    /// As [`Encoder::new`].
    pub fn new(boundary: Boundary) -> Result<Self, Error> {
        Ok(Self { encoder: Encoder::new(boundary)?, steps: VecDeque::new(), len: Some(0), framing: Vec::new() })
    }

    /// The value of the Content-Type header of the form.
    #[must_use]
    pub fn content_type(&self) -> String {
        self.encoder.content_type()
    }

    /// How many bytes the form will have, if it is closed now; `None` where a body's length is unknown, or all lengths together
    /// are past `u64`.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        self.len?.checked_add(self.framing.len() as u64 + self.encoder.close_len())
    }

    /// Whether it has no part.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.framing.is_empty()
    }

    /// Adds a part. A body that turns out to have another length than `len` fails the form.
    ///
    /// # Errors
    /// As [`Encoder::begin`].
    pub fn part(&mut self, head: &PartHead, body: B, len: Option<u64>) -> Result<&mut Self, Error> {
        self.encoder.begin(head, &mut self.framing)?;
        self.flush();
        self.len = self.len.and_then(|all| all.checked_add(len?));
        self.steps.push_back(Step::Body(body, len));
        self.encoder.end(&mut self.framing)?;
        Ok(self)
    }

    /// Begins a part that is a multipart itself, until [`leave`](Self::leave).
    ///
    /// # Errors
    /// As [`Encoder::enter`].
    pub fn enter(&mut self, head: &PartHead, boundary: Boundary) -> Result<&mut Self, Error> {
        self.encoder.enter(head, boundary, &mut self.framing)?;
        Ok(self)
    }

    /// Closes the multipart that was entered last.
    ///
    /// # Errors
    /// As [`Encoder::leave`].
    pub fn leave(&mut self) -> Result<&mut Self, Error> {
        self.encoder.leave(&mut self.framing)?;
        Ok(self)
    }

    /// Closes the form, to be read.
    ///
    /// # Errors
    /// As [`Encoder::close`].
    pub fn into_reader(self) -> Result<FormReader<B>, Error>
    where
        B: Read,
    {
        Ok(FormReader { steps: self.close()?.0, failed: false })
    }

    /// Its steps and its length.
    fn close(mut self) -> Result<(VecDeque<Step<B>>, Option<u64>), Error> {
        self.encoder.close(&mut self.framing)?;
        self.flush();
        Ok((self.steps, self.len))
    }

    fn flush(&mut self) {
        self.len = self.len.and_then(|len| len.checked_add(self.framing.len() as u64));
        self.steps.push_back(Step::Framing(Cursor::new(core::mem::take(&mut self.framing))));
    }
}

impl<B: Read> Read for FormReader<B> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.failed {
            return Err(invalid(Error::new(FAILED)));
        }
        while let Some(step) = self.steps.front_mut() {
            match step.read(out) {
                Ok(0) => {}
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    self.failed = true;
                    return Err(error);
                }
                read => return read,
            }
            self.steps.pop_front();
        }
        Ok(0)
    }
}

impl<B: Read> Step<B> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Framing(bytes) => bytes.read(out),
            Self::Body(body, left) => {
                let n = body.read(out)?;
                count(left, n as u64).map_err(invalid)?;
                Ok(n)
            }
        }
    }
}

fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Takes `n` bytes off what a body still has to have; none are its end.
fn count(left: &mut Option<u64>, n: u64) -> Result<(), Error> {
    if let Some(left) = left {
        *left = left.checked_sub(n).filter(|left| n > 0 || *left == 0).ok_or_else(|| Error::new(WRONG_LEN))?;
    }
    Ok(())
}

impl<B> fmt::Debug for FormBuilder<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormBuilder").field("encoder", &self.encoder).field("len", &self.len).finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for FormReader<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormReader").finish_non_exhaustive()
    }
}
