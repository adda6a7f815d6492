//! The form that creates a paste: parts `header`, `read`, `expires_in`, `content`, once each and in this order, so that
//! everything is known and checked before the first byte of content is stored. Bytes in, pieces of content out.

use api::{Expiry, Kind, MAX_HEADER, Problem, PublicHeader, Token, field};
use bytes::Bytes;
use http::HeaderValue;
use multipart_form::{Boundary, ErrorKind, Event, Head, Limits, Parser, TransferEncoding};

use crate::failure::Failure;

/// What a form may have beside its content: heads of parts, delimiters, the small fields, a short epilogue.
pub(crate) const OVERHEAD: u64 = 64 * 1024;

/// The fields in their order, and the most bytes of each but the last.
const FIELDS: [(&str, usize); 4] =
    [(field::HEADER, MAX_HEADER), (field::READ, 43), (field::EXPIRES_IN, 20), (field::CONTENT, 0)];
const CONTENT: usize = 3;

/// What a form says of its paste.
#[derive(Debug)]
pub(crate) struct Order {
    /// The public header as it was sent.
    pub(crate) header: String,
    /// What it says about burning.
    pub(crate) burn: bool,
    /// SHA-256 of the read token.
    pub(crate) read_hash: [u8; 32],
    /// How long the paste lives.
    pub(crate) expiry: Expiry,
    /// Bytes of content.
    pub(crate) size: u64,
}

/// A form on its way in.
#[derive(Debug)]
pub(crate) struct Form {
    parser: Parser,
    max_paste: u64,
    max_expiry: Option<u64>,
    /// The field that has to come next; the one being read is one less.
    next: usize,
    text: Vec<u8>,
    order: Order,
}

impl Form {
    /// A form whose boundary `content_type` names.
    ///
    /// # Errors
    /// 415 where it is not multipart/form-data, 400 where it has no usable boundary.
    pub(crate) fn new(
        content_type: Option<&HeaderValue>,
        max_paste: u64,
        max_expiry: Option<u64>,
    ) -> Result<Self, Failure> {
        let Some(content_type) = content_type else {
            return Err(Problem::new(Kind::UnsupportedType).detail("send multipart/form-data").into());
        };
        let boundary = Boundary::from_form_content_type(content_type.as_bytes()).map_err(|error| wrong(&error))?;
        let limits = Limits::unbounded()
            // One more than there are, so that what came twice or is unknown is named.
            .parts(FIELDS.len() as u64 + 1)
            .headers(16)
            .header_bytes(4096)
            .preamble_bytes(1024)
            .name_bytes(64)
            .body_bytes(max_paste.saturating_add(OVERHEAD));
        let order = Order { header: String::new(), burn: false, read_hash: [0; 32], expiry: Expiry::Never, size: 0 };
        Ok(Self { parser: Parser::new(boundary, limits), max_paste, max_expiry, next: 0, text: Vec::new(), order })
    }

    /// Reads `chunk` and appends what it holds of the content to `content`; nothing is copied but a few bytes at seams.
    ///
    /// # Errors
    /// What is wrong with the form, by part and limit. The form is then over.
    pub(crate) fn push(&mut self, chunk: &Bytes, content: &mut Vec<Bytes>) -> Result<(), Failure> {
        let mut input = &chunk[..];
        loop {
            match self.parser.next(&mut input).map_err(|error| wrong(&error))? {
                None => return Ok(()),
                Some(Event::Part(head)) => {
                    self.next = begin(self.next, &head)?;
                    self.text.clear();
                }
                Some(Event::Data(data)) => {
                    let (name, most) = FIELDS[self.next - 1];
                    if self.next - 1 == CONTENT {
                        self.order.size += data.len() as u64;
                        if self.order.size > self.max_paste {
                            return Err(too_large(name, "max_paste", self.max_paste));
                        }
                        content.push(piece(chunk, data));
                    } else if self.text.len() + data.len() > most {
                        return Err(too_large(name, "part_bytes", most as u64));
                    } else {
                        self.text.extend_from_slice(data);
                    }
                }
                Some(Event::End) => self.end()?,
                Some(Event::Done) => {
                    if let Some((missing, _)) = FIELDS.get(self.next) {
                        return Err(malformed(format!("part \"{missing}\" is missing")));
                    }
                }
                Some(_) => return Err(malformed("a part is a multipart itself")),
            }
        }
    }

    /// The form's content has ended.
    ///
    /// # Errors
    /// The form is not complete.
    pub(crate) fn finish(mut self) -> Result<Order, Failure> {
        self.parser.close().map_err(|error| wrong(&error))?;
        Ok(self.order)
    }

    /// A part has ended: its text is read.
    fn end(&mut self) -> Result<(), Failure> {
        let at = self.next - 1;
        if at == CONTENT {
            return Ok(());
        }
        let name = FIELDS[at].0;
        let text = std::str::from_utf8(&self.text).map_err(|_| malformed(format!("part \"{name}\" is not UTF-8")))?;
        let bad = |why: String| malformed(format!("part \"{name}\": {why}"));
        match at {
            0 => {
                self.order.burn = PublicHeader::decode(text).map_err(|e| bad(e.to_string()))?.burn;
                self.order.header = text.to_owned();
            }
            1 => {
                let hash = Token::decode_hash(text);
                self.order.read_hash =
                    hash.map_err(|_| bad("a hash is 32 bytes in base64url without padding, 43 characters".into()))?;
            }
            _ => {
                self.order.expiry = text.parse().map_err(|e: api::ExpiryError| bad(e.to_string()))?;
                let too_long = match (self.order.expiry, self.max_expiry) {
                    (Expiry::In(seconds), Some(most)) => seconds > most,
                    (Expiry::Never, Some(_)) => true,
                    (_, None) => false,
                };
                if let (true, Some(most)) = (too_long, self.max_expiry) {
                    let problem = Problem::new(Kind::Malformed)
                        .detail(format!("part \"{name}\": longer than pastes live here"))
                        .limit("max_expiry", most);
                    return Err(problem.into());
                }
            }
        }
        Ok(())
    }
}

/// Checks that a part is the one that has to come; gives the one after it.
fn begin(next: usize, head: &Head<'_>) -> Result<usize, Failure> {
    let Some(name) = head.name() else {
        return Err(malformed("a part has no name"));
    };
    match FIELDS.iter().position(|(known, _)| *known == name) {
        Some(at) if at == next => {}
        Some(at) if at < next => return Err(malformed(format!("part \"{name}\" came twice"))),
        Some(_) => {
            let expected = FIELDS[next].0;
            return Err(malformed(format!("part \"{name}\" came where \"{expected}\" has to: the order is fixed")));
        }
        None => return Err(malformed(format!("part \"{name}\" is not one of header, read, expires_in, content"))),
    }
    if head.transfer_encoding() != Ok(TransferEncoding::Identity) {
        return Err(malformed(format!("part \"{name}\" has a Content-Transfer-Encoding: send its bytes as they are")));
    }
    if next == CONTENT
        && head.content_type_raw().is_some()
        && !head.content_type().is_some_and(|t| t.is("application", "octet-stream"))
    {
        let problem = Problem::new(Kind::UnsupportedType).detail("part \"content\" has to be application/octet-stream");
        return Err(problem.into());
    }
    Ok(next + 1)
}

/// `data` as a piece of `chunk` where it lies in it, else copied: the parser gives back bytes of an earlier chunk that
/// looked like the beginning of a delimiter.
fn piece(chunk: &Bytes, data: &[u8]) -> Bytes {
    let within = chunk.as_ptr_range();
    let range = data.as_ptr_range();
    if within.start <= range.start && range.end <= within.end {
        chunk.slice_ref(data)
    } else {
        Bytes::copy_from_slice(data)
    }
}

fn malformed(detail: impl Into<String>) -> Failure {
    Problem::new(Kind::Malformed).detail(detail).into()
}

fn too_large(part: &str, limit: &str, value: u64) -> Failure {
    Problem::new(Kind::TooLarge).detail(format!("part \"{part}\"")).limit(limit, value).into()
}

/// A fault of the form's outer shape.
fn wrong(error: &multipart_form::Error) -> Failure {
    let kind = match error.status() {
        413 => Kind::TooLarge,
        415 => Kind::UnsupportedType,
        _ => Kind::Malformed,
    };
    let detail = match kind {
        Kind::UnsupportedType => format!("send multipart/form-data: {error}"),
        _ => error.to_string(),
    };
    let problem = Problem::new(kind).detail(detail);
    match error.kind() {
        ErrorKind::Limit { which, value } => problem.limit(which.name(), value).into(),
        _ => problem.into(),
    }
}
