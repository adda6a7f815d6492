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
//! [`Encoder`] is the way back.
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
