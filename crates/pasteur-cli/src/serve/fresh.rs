//! The files that a start makes. One that fails before the server listens takes them away again: nothing was stored in them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The files made by this start; dropping the last handle removes them, unless they are to be kept.
#[derive(Clone, Default)]
pub(super) struct Fresh(Arc<Files>);

#[derive(Default)]
struct Files(Mutex<Vec<PathBuf>>);

impl Fresh {
    /// The file at `path` was made.
    pub(super) fn made(&self, path: &Path) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
    }

    /// The server listens: from here on they may hold pastes.
    pub(super) fn keep(&self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in self.0.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // What cannot be removed is empty, and the next start takes it.
            let _ = std::fs::remove_file(path);
        }
    }
}
