//! The read-only, compressed file-system image: layout, reader, integrity.
//!
//! An [`Image`] is opened on a [`Source`] of byte ranges, which is all the I/O there is. Opening reads and checks the
//! index; reading a file checks its bytes against the hash that the index gives. The index's own hash, [`Image::root`],
//! therefore stands for every byte that the image can ever return.
//!
//! The layout is format 0, in `docs/docteur.md` and in [`layout`].

#![no_std]

extern crate alloc;

mod error;
mod image;
pub mod layout;
mod source;

pub use error::{Defect, Error};
pub use image::{File, Image, Variant};
pub use layout::Encoding;
pub use source::Source;
