//! The browser client: Rust compiled to WebAssembly.
