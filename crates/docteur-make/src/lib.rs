//! Builds docteur images, deterministically: the same files give the same bytes, in whatever order the file system names them
//! and with however many threads.
//!
//! A [`Tree`] says what there is and gives bytes; [`make`] goes over it three times, so that it never holds more of it than a few
//! segments: once to hash and sketch each file, once to choose the text that segments share, once to compress. [`append`] takes over
//! what an older image has. [`Writer`] is for a few files in memory, [`Folder`] for a folder of any size, `Git` (feature `git`) for a
//! commit, here or elsewhere (feature `remote`). `Mount` (feature `mount`) shows an image as a file system.

mod arrange;
mod base;
mod below;
mod compare;
mod encode;
mod error;
mod everything;
mod extract;
mod folder;
#[cfg(feature = "git")]
mod git;
mod index;
mod make;
mod media;
#[cfg(feature = "mount")]
mod mount;
mod nodes;
mod options;
mod pack;
mod parallel;
mod place;
mod reuse;
mod rolling;
mod spill;
mod survey;
mod tree;
mod verify;
mod writer;

pub use compare::{Change, Unread, diff};
pub use error::{Error, shown};
pub use extract::{Extracted, Trust, extract};
pub use folder::{Folder, image_of_folder};
#[cfg(feature = "git")]
pub use git::{Git, GitOptions};
pub use make::{Made, Stage, append, make};
pub use media::media_type;
#[cfg(feature = "mount")]
pub use mount::{Mount, Unmount};
pub use options::{Classes, Options, Profile, Times};
pub use tree::{Node, NodeKind, Tree};
pub use verify::verify;
pub use writer::Writer;
