//! The encoder: the bytes around each body, and their lengths before there is any.
//!
//! The layout is WHATWG's: each part is a delimiter line, Content-Disposition, Content-Type, further fields, a blank line,
//! the body and CR LF; a line with the close delimiter ends the form.

use alloc::string::String;
use alloc::vec::Vec;

use crate::boundary::Boundary;
use crate::error::{Error, ErrorKind};
use crate::value::{TransferEncoding, is_token};

/// A part's header, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHead {
    /// Content-Disposition: its parameters, each with what comes before it.
    name: Option<Vec<u8>>,
    filename: Option<Vec<u8>>,
    content_type: Option<Vec<u8>>,
    encoding: Option<TransferEncoding>,
    more: Vec<u8>,
}

impl PartHead {
    /// The header of a form's field. In the name a quote, CR and LF are escaped as WHATWG's forms do (`%22`, `%0D`, `%0A`),
    /// so no name can break out of its line; nothing else is escaped.
    #[must_use]
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        Self { name: Some(parameter(b"form-data; name=", name.as_ref())), ..Self::bare() }
    }

    /// A header without any field, as parts inside a nested multipart may have. A form's parts need a name.
    #[must_use]
    pub fn bare() -> Self {
        Self { name: None, filename: None, content_type: None, encoding: None, more: Vec::new() }
    }

    /// Makes it a file of this name, instead of the one it had. The name is escaped as [`new`](Self::new) does.
    #[must_use]
    pub fn filename(self, filename: impl AsRef<[u8]>) -> Self {
        let before: &[u8] = if self.name.is_some() { b"; filename=" } else { b"attachment; filename=" };
        Self { filename: Some(parameter(before, filename.as_ref())), ..self }
    }

    /// Content-Type.
    ///
    /// # Errors
    /// [`ErrorKind::UnsafeHeader`] for a value with CR, LF or NUL.
    pub fn content_type(mut self, value: impl AsRef<[u8]>) -> Result<Self, Error> {
        self.content_type = Some(safe(value.as_ref())?.to_vec());
        Ok(self)
    }

    /// Content-Type `multipart/SUBTYPE` of a multipart inside, for [`Encoder::enter`].
    ///
    /// # Errors
    /// [`ErrorKind::UnsafeHeader`] for a subtype that is no token.
    pub fn multipart(self, subtype: &str, boundary: &Boundary) -> Result<Self, Error> {
        if subtype.is_empty() || !subtype.bytes().all(is_token) {
            return Err(Error::new(ErrorKind::UnsafeHeader));
        }
        self.content_type(content_type(subtype, boundary))
    }

    /// Content-Transfer-Encoding. The body has to be written in it.
    #[must_use]
    pub fn transfer_encoding(self, encoding: TransferEncoding) -> Self {
        Self { encoding: Some(encoding), ..self }
    }

    /// A further field, behind the others.
    ///
    /// # Errors
    /// [`ErrorKind::UnsafeHeader`] for a name that is no token, one of the three fields that have a method of their own, or a
    /// value with CR, LF or NUL.
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, Error> {
        let own = ["content-disposition", "content-type", "content-transfer-encoding"];
        if name.is_empty() || !name.bytes().all(is_token) || own.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return Err(Error::new(ErrorKind::UnsafeHeader));
        }
        self.more.extend_from_slice(name.as_bytes());
        self.more.extend_from_slice(b": ");
        self.more.extend_from_slice(safe(value.as_ref())?);
        self.more.extend_from_slice(b"\r\n");
        Ok(self)
    }

    /// Its fields, in the order they are written.
    fn pieces(&self) -> [&[u8]; 11] {
        let name = self.name.as_deref().or(self.filename.as_ref().map(|_| &[][..]));
        let [a, b, d] = line(b"Content-Disposition: ", name);
        let [e, f, g] = line(b"Content-Type: ", self.content_type.as_deref());
        let [h, i, j] = line(b"Content-Transfer-Encoding: ", self.encoding.map(|e| e.as_str().as_bytes()));
        [a, b, self.filename.as_deref().unwrap_or_default(), d, e, f, g, h, i, j, &self.more]
    }
}

/// Writes the bytes between bodies. The bodies are the caller's to send, between [`begin`](Self::begin) and
/// [`end`](Self::end), and must not hold the boundary's delimiter, which a [random](Boundary::from_random) one makes sure of.
///
/// ```
/// use multipart_form::{Boundary, Encoder, PartHead};
///
/// let mut encoder = Encoder::new(Boundary::new("x")?)?;
/// let head = PartHead::new("a").filename("a.txt").content_type("text/plain")?;
/// let length = encoder.part_len(&head, 5) + encoder.close_len();
/// let mut out = Vec::new();
/// encoder.begin(&head, &mut out)?;
/// out.extend_from_slice(b"hello");
/// encoder.end(&mut out)?;
/// encoder.close(&mut out)?;
/// assert_eq!(out.len() as u64, length);
/// # Ok::<(), multipart_form::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Encoder {
    boundaries: Vec<Boundary>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    Body,
    Closed,
}

impl Encoder {
    /// An encoder of a form with this boundary.
    ///
    /// # Errors
    /// [`ErrorKind::BadBoundary`] for one of more than 70 bytes.
    pub fn new(boundary: Boundary) -> Result<Self, Error> {
        Ok(Self { boundaries: Vec::from([written(boundary)?]), state: State::Between })
    }

    /// The value of the Content-Type header of the form.
    #[must_use]
    pub fn content_type(&self) -> String {
        content_type("form-data", &self.boundaries[0])
    }

    /// Writes a part's delimiter line and header. A reader may begin here.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where a part has not been ended, or all of it has; [`ErrorKind::UnsafeHeader`] for a NUL in a name.
    pub fn begin(&mut self, head: &PartHead, out: &mut Vec<u8>) -> Result<(), Error> {
        self.expect(State::Between)?;
        self.write_begin(head, out)?;
        self.state = State::Body;
        Ok(())
    }

    /// Writes what ends a part's body.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where no part has been begun.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.expect(State::Body)?;
        self.state = State::Between;
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Begins a part that is a multipart itself; `head` should name its type by [`PartHead::multipart`].
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] as [`begin`](Self::begin), and for a boundary that one around it begins with, or is that of, as
    /// its lines would be taken for that one's; [`ErrorKind::BadBoundary`] for one of more than 70 bytes.
    pub fn enter(&mut self, head: &PartHead, boundary: Boundary, out: &mut Vec<u8>) -> Result<(), Error> {
        self.expect(State::Between)?;
        let boundary = written(boundary)?;
        if self.boundaries.iter().any(|around| boundary.as_str().starts_with(around.as_str())) {
            return Err(Error::new(ErrorKind::Misuse("a boundary inside another has to differ from it")));
        }
        self.write_begin(head, out)?;
        self.boundaries.push(boundary);
        Ok(())
    }

    /// Closes the multipart that was entered last.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where a part has not been ended, or none has been entered.
    pub fn leave(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.expect(State::Between)?;
        if self.boundaries.len() < 2 {
            return Err(Error::new(ErrorKind::Misuse("no multipart has been entered")));
        }
        self.write_close(out);
        self.boundaries.pop();
        Ok(())
    }

    /// Writes the close delimiter. Whatever is sent behind it is ignored by every reader.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where a part or a multipart has not been ended, or all of it has.
    pub fn close(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.expect(State::Between)?;
        if self.boundaries.len() > 1 {
            return Err(Error::new(ErrorKind::Misuse("a multipart inside has not been closed")));
        }
        self.write_close(out);
        self.state = State::Closed;
        Ok(())
    }

    /// How many bytes a part is, from its delimiter line to the CR LF behind its body of `body` bytes; `u64::MAX` where it is
    /// more.
    #[must_use]
    pub fn part_len(&self, head: &PartHead, body: u64) -> u64 {
        (self.begin_len(head) + 2).saturating_add(body)
    }

    /// How many bytes [`begin`](Self::begin) writes.
    #[must_use]
    pub fn begin_len(&self, head: &PartHead) -> u64 {
        let fields: usize = head.pieces().iter().map(|piece| piece.len()).sum();
        (self.boundary().delimiter().len() + fields + 2) as u64
    }

    /// How many bytes [`close`](Self::close), or [`leave`](Self::leave), writes.
    #[must_use]
    pub fn close_len(&self) -> u64 {
        self.boundary().delimiter().len() as u64 + 2
    }

    fn boundary(&self) -> &Boundary {
        &self.boundaries[self.boundaries.len() - 1]
    }

    fn write_begin(&self, head: &PartHead, out: &mut Vec<u8>) -> Result<(), Error> {
        if [&head.name, &head.filename].into_iter().flatten().any(|value| value.contains(&0)) {
            return Err(Error::new(ErrorKind::UnsafeHeader));
        }
        out.extend_from_slice(&self.boundary().delimiter()[2..]);
        out.extend_from_slice(b"\r\n");
        for piece in head.pieces() {
            out.extend_from_slice(piece);
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn write_close(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.boundary().delimiter()[2..]);
        out.extend_from_slice(b"--\r\n");
    }

    fn expect(&self, state: State) -> Result<(), Error> {
        if self.state == state {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Misuse(match self.state {
            State::Between => "no part has been begun",
            State::Body => "the part before has not been ended",
            State::Closed => "the form has been closed",
        })))
    }
}

fn written(boundary: Boundary) -> Result<Boundary, Error> {
    if boundary.as_str().len() > Boundary::MAX_WRITTEN {
        return Err(Error::new(ErrorKind::BadBoundary));
    }
    Ok(boundary)
}

/// `multipart/SUBTYPE; boundary=...`, quoted where it is no token.
fn content_type(subtype: &str, boundary: &Boundary) -> String {
    let boundary = boundary.as_str();
    let quote = if boundary.bytes().all(is_token) { "" } else { "\"" };
    ["multipart/", subtype, "; boundary=", quote, boundary, quote].concat()
}

fn line<'a>(name: &'a [u8], value: Option<&'a [u8]>) -> [&'a [u8]; 3] {
    value.map_or([b""; 3], |value| [name, value, b"\r\n"])
}

/// A parameter's quoted value, behind what comes `before` it.
fn parameter(before: &[u8], text: &[u8]) -> Vec<u8> {
    let mut out = before.to_vec();
    out.push(b'"');
    for &b in text {
        match b {
            b'"' => out.extend_from_slice(b"%22"),
            b'\r' => out.extend_from_slice(b"%0D"),
            b'\n' => out.extend_from_slice(b"%0A"),
            _ => out.push(b),
        }
    }
    out.push(b'"');
    out
}

fn safe(value: &[u8]) -> Result<&[u8], Error> {
    if memchr::memchr3(b'\r', b'\n', 0, value).is_some() {
        return Err(Error::new(ErrorKind::UnsafeHeader));
    }
    Ok(value)
}
