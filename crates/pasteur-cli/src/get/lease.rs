//! The lease of a paste that burns, kept until all of it was read: where `get` fails or is stopped after its claim, the
//! same command takes the lease up again while it lasts. It lies in a file for the user alone, beside the history; it
//! gives ciphertext and nothing else. The command that reads holds a lock on it, so that no other takes it up meanwhile.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use api::{Id, Token};
use zeroize::Zeroizing;

use crate::history::{History, open_private};

/// Where a paste's lease is kept; nowhere, where this user has no folder for it.
#[derive(Debug)]
pub(super) struct Kept {
    server: String,
    path: Option<PathBuf>,
    /// The file with the lease, locked.
    held: Option<File>,
}

/// The most bytes such a file has: a server's address and a lease.
const LARGEST: u64 = 16 << 10;

impl Kept {
    /// The place for this paste of this server.
    pub(super) fn of(server: &str, id: &Id) -> Self {
        let path = History::of_user().map(|history| history.beside(&format!("lease-{id}")));
        Self { server: server.to_owned(), path, held: None }
    }

    /// The lease that an earlier command left, if none is reading by it now.
    pub(super) fn find(&mut self) -> Option<Token> {
        let file = File::options().read(true).write(true).open(self.path.as_ref()?).ok()?;
        file.try_lock().ok()?;
        let mut text = Zeroizing::new(String::new());
        (&file).take(LARGEST).read_to_string(&mut text).ok()?;
        let (server, lease) = text.trim_end().split_once('\n')?;
        let lease = lease.parse().ok().filter(|_| server == self.server)?;
        self.held = Some(file);
        Some(lease)
    }

    /// Keeps the lease, unless it is the one that was found; `false` where it cannot be kept.
    pub(super) fn keep(&mut self, lease: &Token) -> bool {
        if self.held.is_none() {
            let text = Zeroizing::new(format!("{}\n{}\n", self.server, *lease.encode()));
            self.held = self.path.as_ref().and_then(|path| write(path, text.as_bytes()).ok());
        }
        self.held.is_some()
    }

    /// Forgets it: the paste is no more.
    pub(super) fn forget(&self) {
        if let Some(path) = &self.path {
            // Without one there is nothing to forget.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Writes the file, locked before there is anything in it.
fn write(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = open_private(path)?;
    file.try_lock()?;
    file.set_len(0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}
