//! How a paste is sealed and opened: keys, streaming AEAD, link format.
#![no_std]
