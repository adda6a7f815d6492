//! End-to-end tests: a real browser, the real binary.
