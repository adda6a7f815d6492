//! Builds docteur images from a folder, deterministically: the same files give the same bytes, in whatever order the
//! file system names them.

mod encode;
mod folder;
mod media;
mod writer;

pub use folder::image_of_folder;
pub use media::media_type;
pub use writer::{Error, Writer};
