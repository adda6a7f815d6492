//! The parser: bytes in, events out.

mod frame;
mod level;
mod parser;
mod scan;

pub use parser::{Event, Parser};
