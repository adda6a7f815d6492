//! The pastes made here, so that `pasteur rm LINK` needs no token: one JSON document a line in
//! `$XDG_STATE_HOME/pasteur/history.jsonl` (mode 0600). It holds delete tokens, never a link's secret: who reads the
//! file can remove these pastes but read none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use api::{Id, Token};
use serde::{Deserialize, Serialize};

use crate::human;

/// The largest history that is read, in bytes: about 40,000 pastes.
const LARGEST: u64 = 8 * 1024 * 1024;

/// How many pastes are remembered: the newest.
const MOST: usize = 20_000;

/// One paste made here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The server's address.
    pub(crate) server: String,
    /// The paste's id.
    pub(crate) id: Id,
    /// The right to delete it.
    pub(crate) delete_token: Token,
    /// Seconds since 1970.
    pub(crate) created_at: u64,
    /// Seconds since 1970; `None` is never.
    pub(crate) expires_at: Option<u64>,
}

/// The history file of this user.
#[derive(Debug)]
pub(crate) struct History {
    folder: PathBuf,
}

impl History {
    /// Where this user's history is: `$XDG_STATE_HOME/pasteur`, else `~/.local/state/pasteur`, else `%LOCALAPPDATA%\pasteur`.
    pub(crate) fn of_user() -> Option<Self> {
        let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let state = variable("XDG_STATE_HOME")
            .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
            .or_else(|| variable("LOCALAPPDATA"))?;
        Some(Self { folder: state.join("pasteur") })
    }

    /// The file's path, to tell a user.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("history.jsonl")
    }

    /// Another file of this user's, beside the history.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Adds a paste, and forgets those that have expired.
    pub(crate) fn add(&self, entry: Entry) -> io::Result<()> {
        let now = human::now();
        self.change(|entries| {
            entries.retain(|e| e.expires_at.is_none_or(|at| at > now));
            entries.push(entry);
            let surplus = entries.len().saturating_sub(MOST);
            entries.drain(..surplus);
        })
    }

    /// The delete token of a paste made here.
    pub(crate) fn find(&self, server: &str, id: &Id) -> io::Result<Option<Token>> {
        let entries = read(&self.path())?;
        Ok(entries.into_iter().rev().find(|e| e.id == *id && e.server == server).map(|e| e.delete_token))
    }

    /// Forgets a paste.
    pub(crate) fn forget(&self, server: &str, id: &Id) -> io::Result<()> {
        if !self.path().exists() {
            return Ok(());
        }
        self.change(|entries| entries.retain(|e| e.id != *id || e.server != server))
    }

    /// Rewrites the file as a whole under a lock, so that two commands at once lose nothing and a crash leaves the old
    /// file or the new one.
    fn change(&self, change: impl FnOnce(&mut Vec<Entry>)) -> io::Result<()> {
        make_private_folder(&self.folder)?;
        let lock = private(&self.folder.join("history.lock"), OpenOptions::new().write(true).create(true))?;
        lock.lock()?;
        let mut entries = read(&self.path())?;
        change(&mut entries);
        let mut text = zeroize::Zeroizing::new(Vec::new());
        for entry in &entries {
            serde_json::to_writer(&mut *text, entry).map_err(io::Error::other)?;
            text.push(b'\n');
        }
        replace_private(&self.path(), &text)
    }
}

/// Opens a file for this user alone, to be written; its folder is made where it is missing.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        make_private_folder(folder)?;
    }
    private(path, OpenOptions::new().write(true).create(true))
}

/// Writes a file for this user alone in place of what was there: a crash leaves the old one or the new.
pub(crate) fn replace_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_added_extension("new");
    let mut file = open_private(&new)?;
    file.set_len(0)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

/// The file's entries; a line that is none (of a newer version, or damaged) is passed over.
fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let lines = BufReader::new(file.take(LARGEST)).split(b'\n');
    lines.filter_map(|line| line.map(|line| serde_json::from_slice(&line).ok()).transpose()).collect()
}

#[cfg(unix)]
fn private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600).open(path)
}

#[cfg(not(unix))]
fn private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.open(path)
}

#[cfg(unix)]
fn make_private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u8, expires_at: Option<u64>) -> Entry {
        let id = Id::from_random(&[n; 32]).unwrap();
        Entry { server: "https://a".into(), id, delete_token: Token::new([n; 32]), created_at: 1, expires_at }
    }

    #[test]
    fn remembers_and_forgets() {
        let folder = tempfile::tempdir().unwrap();
        let history = History { folder: folder.path().join("deep/pasteur") };
        assert_eq!(history.find("https://a", &entry(1, None).id).unwrap(), None);
        history.forget("https://a", &entry(1, None).id).unwrap();
        history.add(entry(1, Some(5))).unwrap();
        history.add(entry(2, None)).unwrap();
        // The first has expired long ago: it went when the second was added.
        assert_eq!(history.find("https://a", &entry(1, None).id).unwrap(), None);
        assert_eq!(history.find("https://a", &entry(2, None).id).unwrap(), Some(Token::new([2; 32])));
        assert_eq!(history.find("https://b", &entry(2, None).id).unwrap(), None);
        history.forget("https://a", &entry(2, None).id).unwrap();
        assert_eq!(history.find("https://a", &entry(2, None).id).unwrap(), None);
    }

    #[test]
    fn passes_over_what_it_does_not_know() {
        let folder = tempfile::tempdir().unwrap();
        let history = History { folder: folder.path().to_owned() };
        history.add(entry(2, None)).unwrap();
        let mut file = OpenOptions::new().append(true).open(history.path()).unwrap();
        file.write_all(b"{\"of\": \"another version\"}\n\xff\xff\n{cut").unwrap();
        assert!(history.find("https://a", &entry(2, None).id).unwrap().is_some());
    }

    #[cfg(unix)]
    #[test]
    fn is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let history = History { folder: folder.path().join("pasteur") };
        history.add(entry(2, None)).unwrap();
        assert_eq!(fs::metadata(history.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&history.folder).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn writers_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let history = History { folder: folder.path().to_owned() };
                scope.spawn(move || history.add(entry(n, None)).unwrap());
            }
        });
        assert_eq!(read(&folder.path().join("history.jsonl")).unwrap().len(), 8);
    }
}
