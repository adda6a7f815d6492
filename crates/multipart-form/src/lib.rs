//! Multipart forms (RFC 7578 on RFC 2046 and 2045) as they are really sent: bytes in, events out, in bounded memory.
//!
//! The core does no I/O. Push bytes in whatever pieces they come, pull events:
//!
//! ```
//! use multipart_form::{Boundary, Event, Limits, Parser};
//!
//! let boundary = Boundary::from_content_type(b"multipart/form-data; boundary=x")?;
//! let body = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nhello\r\n--x--\r\n";
//! let mut parser = Parser::new(boundary, Limits::default());
//! let mut text = Vec::new();
//! for chunk in body.chunks(7) {
//!     let mut input = chunk;
//!     while let Some(event) = parser.next(&mut input)? {
//!         match event {
//!             Event::Part(head) => assert_eq!(head.name().as_deref(), Some("a")),
//!             Event::Data(bytes) => text.extend_from_slice(bytes),
//!             _ => {}
//!         }
//!     }
//! }
//! parser.close()?;
//! assert_eq!(text, b"hello");
//! # Ok::<(), multipart_form::Error>(())
//! ```
//!
//! # Where to begin
//!
//! | to | use | feature |
//! |---|---|---|
//! | read without I/O, in any environment | [`Parser`] | |
//! | read a `std::io::Read` | `ReadForm` | `std` |
//! | read a `Stream` of `Bytes`, field by field | `Form` | `stream` |
//! | read an `AsyncRead` | `Form::from_tokio_read`, `Form::from_futures_read` | `tokio`, `futures-io` |
//! | read an HTTP body | `Form::from_body`, and `RequestForm` in axum | `http-body`, `axum` |
//! | keep a whole form, parts within parts | `ReadForm::tree`, `Form::tree`, [`TreeBuilder`] | |
//! | parse and save at once | `Form::queued` | `stream` |
//! | hand a field to another task | `Form::into_owned` | `stream` |
//! | write without I/O | [`Encoder`] | |
//! | send a form | `FormBuilder` | `std`, `stream` |
//!
//! # Two layers
//!
//! [`Parser::new`] reads what MIME allows; [`Parser::strict`] also refuses what a form may not be. Of what readers
//! disagree on, that which is no form by any grammar is refused by both, since whoever stands in front of a service would see
//! another form than it does: two Content-Dispositions, two names, a string without its end, a NUL or a bare CR or LF in a header.
//!
//! # Limits
//!
//! All are on by default; see [`Limits`]. An [`Error`] says which was met, its value, the field and the offset, and hints at an
//! HTTP status. What a parser holds is bounded by the limits on a header and on depth alone: bodies pass through. What keeps
//! some of them on purpose says how much: a queue up to the ceiling it is given, a tree whatever its sink makes of each.
//!
//! # A stranger's names
//!
//! File names are whatever a client sent, paths and all: [`base_name`] gives one that is safe as the last component of a path.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod adapt;
mod boundary;
mod encode;
mod error;
mod head;
mod limits;
mod parse;
mod strict;
mod text;
mod transfer;
mod tree;
mod value;

pub use adapt::*;
pub use boundary::{Boundary, boundary_of};
pub use encode::{Encoder, PartHead};
pub use error::{Error, ErrorKind, Limit};
pub use head::{Field, Fields, Head, HeadBuf};
pub use limits::{Limits, Overflow, Unlisted};
pub use parse::{Event, Parser};
pub use text::{Charset, Charsets};
pub use transfer::{Decoder, TransferEncoder};
pub use tree::{Body, Node, TreeBuilder};
pub use value::{ContentType, Disposition, Params, TransferEncoding, base_name};
