//! The read-only, compressed file-system image: layout, reader, integrity.
//!
//! An [`Image`] is opened on a [`Source`] of byte ranges, which is all the I/O there is. Opening reads the superblock and the head;
//! paths and bytes are looked up through a [`Cache`], whose memory the caller bounds. Every piece is checked against a hash that
//! [`Image::root`] covers before a byte of it is used, so the root stands for all that the image can ever return.
//!
//! ```
//! use docteur::{Cache, Image, Kind, Limits, Memory};
//!
//! # fn main() -> Result<(), docteur::Error<core::convert::Infallible>> {
//! # let bytes = include_bytes!("../tests/frozen/small-1.img");
//! let image = Image::open(Memory(bytes), &Limits::default())?;
//! let mut cache = Cache::new(4 << 20);
//! if let Some(entry) = image.find(&mut cache, b"docs/index.html")?
//!     && let Kind::File(content) = entry.kind
//! {
//!     let text = image.read_all(&mut cache, &content, 1 << 20)?;
//!     assert_eq!(text.len() as u64, content.size);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The layout is format 1, in `docs/docteur.md` and in [`layout`].

#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod cache;
mod error;
mod image;
mod keys;
pub mod layout;
#[cfg(feature = "std")]
mod pool;
#[cfg(feature = "std")]
mod reader;
mod source;
mod walk;
mod zstd;

pub use cache::Cache;
pub use error::{Defect, Error};
pub use image::{Image, Limits};
pub use keys::{Key, Keys, What};
pub use layout::{Attribute, Codec, Content, Encoding, Entry, Kind, Metadata, Time};
#[cfg(feature = "std")]
pub use pool::Pool;
#[cfg(feature = "std")]
pub use reader::Reader;
#[cfg(all(feature = "std", unix))]
pub use source::FileSource;
pub use source::{Memory, Source};
pub use walk::{Folders, List, Walk};
