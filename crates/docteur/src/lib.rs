//! The read-only, compressed file-system image: layout, reader, integrity.
#![no_std]
