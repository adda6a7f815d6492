//! RFC 7578 / 2046 parser and encoder: bytes in, events out, in bounded memory.
#![no_std]
