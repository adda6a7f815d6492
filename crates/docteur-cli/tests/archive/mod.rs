//! What `git archive` makes of a revision, and holding a folder against it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::support::repository::git;

/// By path: mode as far as Git knows it, time, and bytes or target.
pub(crate) type Contents = BTreeMap<Vec<u8>, (u32, i64, Vec<u8>)>;

/// What a folder holds.
pub(crate) fn contents(folder: &Path) -> Contents {
    let mut all = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(here) = open.pop() {
        for entry in fs::read_dir(&here).unwrap() {
            let path = entry.unwrap().path();
            let about = path.symlink_metadata().unwrap();
            let bytes = if about.is_dir() {
                open.push(path.clone());
                Vec::new()
            } else if about.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_vec()
            } else {
                fs::read(&path).unwrap()
            };
            let name = path.strip_prefix(folder).unwrap().as_os_str().as_bytes().to_vec();
            all.insert(name, (about.mode() & 0o170_100, about.mtime(), bytes));
        }
    }
    all
}

/// Says which paths differ, and not all of their bytes.
pub(crate) fn assert_same(ours: &Contents, theirs: &Contents, of: &str) {
    let names = |all: &Contents| all.keys().map(|name| name.escape_ascii().to_string()).collect::<Vec<_>>();
    assert_eq!(names(ours), names(theirs), "{of}");
    for (name, (mode, time, bytes)) in ours {
        let (their_mode, their_time, their_bytes) = &theirs[name];
        let name = name.escape_ascii();
        assert_eq!((mode, time), (their_mode, their_time), "{of}: {name}");
        assert!(bytes == their_bytes, "{of}: the bytes of {name}");
    }
}

/// Unpacks what `git archive` makes of a revision.
pub(crate) fn archive(repository: &Path, revision: &str, folder: &Path) {
    fs::create_dir(folder).unwrap();
    let tar = git(repository, &["archive", "--format=tar", revision]).stdout;
    let mut unpack = Command::new("tar").arg("-xC").arg(folder).stdin(Stdio::piped()).spawn().unwrap();
    unpack.stdin.take().unwrap().write_all(&tar).unwrap();
    assert!(unpack.wait().unwrap().success());
}
