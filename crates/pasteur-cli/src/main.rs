//! The program `pasteur`.
fn main() {}
