//! Ids, tokens, wire types and problem types: shared by server, command line and browser.

#![no_std]

extern crate alloc;

mod header;
mod id;
mod problem;
mod token;
mod wire;

pub use header::{HeaderError, Kdf, MAX_HEADER, PublicHeader};
pub use id::{Id, IdError};
pub use problem::{Kind, Problem};
pub use token::{Token, TokenError};
pub use wire::{Claimed, Created, Expiry, ExpiryError, Info, LONGEST_LIFE, PasteState, ServerLimits, field, path};
