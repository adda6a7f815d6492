//! The database's panics: it panics at some kinds of damage behind its back, and that is a fault like others.

use std::cell::Cell;

use super::fault::{Fault, damaged};

/// Runs `f`; redb may panic on pages that were damaged behind its back, and that is a fault like others.
pub(super) fn guarded<T>(f: impl FnOnce() -> std::result::Result<T, Fault>) -> std::result::Result<T, Fault> {
    caught(f).unwrap_or_else(|| Err(inconsistent()))
}

/// Runs `f`; `None` where it panicked.
pub(super) fn caught<T>(f: impl FnOnce() -> std::result::Result<T, Fault>) -> Option<std::result::Result<T, Fault>> {
    let outer = GUARDED.replace(true);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
    GUARDED.set(outer);
    result.ok()
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread, now, becomes an [`Error::Damaged`]: the database panics at some kinds of damage. For a
/// program's panic hook, which need not tell of such.
#[must_use]
pub fn catches_panics() -> bool {
    // Where the thread is ending, nothing is caught.
    GUARDED.try_with(Cell::get).unwrap_or(false)
}

pub(super) fn inconsistent() -> Fault {
    damaged("the database is not consistent in itself")
}
