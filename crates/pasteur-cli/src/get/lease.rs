//! The lease of a paste that burns, kept until all of it was read: where `get` fails or is stopped after its claim, the
//! same command takes the lease up again while it lasts. It lies in a file for the user alone, beside the history; it
//! gives ciphertext and nothing else.

use std::path::PathBuf;

use api::{Id, Token};
use zeroize::Zeroizing;

use crate::history::History;

/// Where a paste's lease is kept; nowhere, where this user has no folder for it.
#[derive(Debug)]
pub(super) struct Kept {
    server: String,
    path: Option<PathBuf>,
}

impl Kept {
    /// The place for this paste of this server.
    pub(super) fn of(server: &str, id: &Id) -> Self {
        Self { server: server.to_owned(), path: History::of_user().map(|h| h.beside(&format!("lease-{id}"))) }
    }

    /// The lease that an earlier command left.
    pub(super) fn find(&self) -> Option<Token> {
        let text = Zeroizing::new(std::fs::read_to_string(self.path.as_ref()?).ok()?);
        let (server, lease) = text.trim_end().split_once('\n')?;
        lease.parse().ok().filter(|_| server == self.server)
    }

    /// Keeps the lease; `false` where it cannot be.
    pub(super) fn keep(&self, lease: &Token) -> bool {
        let text = Zeroizing::new(format!("{}\n{}\n", self.server, *lease.encode()));
        self.path.as_ref().is_some_and(|path| crate::history::write_private(path, text.as_bytes()).is_ok())
    }

    /// Forgets it: the paste is no more.
    pub(super) fn forget(&self) {
        if let Some(path) = &self.path {
            // Without one there is nothing to forget.
            let _ = std::fs::remove_file(path);
        }
    }
}
