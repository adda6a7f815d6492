//! The folder that a paste's files go into. Each is written under a name of its own making, and gets its real one
//! only after the paste's last byte was verified; until then dropping this removes it all.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::failure::Failure;
use crate::names;

/// How many numbers are tried for a name that exists.
const MOST_NUMBERS: usize = 20_000;

/// The folder, and what has been written into it so far.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    force: bool,
    contents: Arc<Mutex<Contents>>,
}

#[derive(Debug)]
struct Contents {
    /// The folder, if it was made here.
    made: Option<PathBuf>,
    files: Vec<Incoming>,
}

#[derive(Debug)]
struct Incoming {
    temporary: PathBuf,
    /// Those of the file under its name.
    permissions: Permissions,
    name: String,
    size: u64,
}

/// A file that is in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
}

/// Takes away what has no name yet, from another thread.
#[derive(Debug)]
pub(crate) struct Leftovers(Arc<Mutex<Contents>>);

impl Leftovers {
    /// Takes it away, ends the program, and meanwhile lets nobody write more.
    pub(crate) fn remove_and_exit(self, code: i32) -> ! {
        let mut contents = lock(&self.0);
        contents.remove();
        std::process::exit(code)
    }
}

impl Folder {
    /// The folder at a path; files that exist there are replaced only where `force` says so. Nothing is touched yet.
    pub(crate) fn new(path: &Path, force: bool) -> Self {
        let contents = Contents { made: None, files: Vec::new() };
        Self { path: path.to_owned(), force, contents: Arc::new(Mutex::new(contents)) }
    }

    /// What another thread needs to clean up.
    pub(crate) fn leftovers(&self) -> Leftovers {
        Leftovers(Arc::clone(&self.contents))
    }

    /// Makes sure that files can be written here, before a paste that can be read but once is claimed.
    pub(crate) fn probe(&mut self) -> Result<(), Failure> {
        let (_, path, _) = self.create(&mut lock(&self.contents))?;
        fs::remove_file(&path).map_err(|e| Failure::local("cannot write into", &self.path, e))
    }

    /// Begins a file; the name is a stranger's.
    pub(crate) fn begin(&mut self, name: &str) -> Result<File, Failure> {
        let mut contents = lock(&self.contents);
        let (file, temporary, permissions) = self.create(&mut contents)?;
        contents.files.push(Incoming { temporary, permissions, name: names::safe(name), size: 0 });
        Ok(file)
    }

    /// Writes to the file begun last.
    pub(crate) fn write(&mut self, file: &mut File, bytes: &[u8]) -> Result<(), Failure> {
        file.write_all(bytes).map_err(|e| Failure::local("cannot write into", &self.path, e))?;
        if let Some(last) = lock(&self.contents).files.last_mut() {
            last.size += bytes.len() as u64;
        }
        Ok(())
    }

    /// Ends the file begun last. With `durable`, it survives a loss of power from here on.
    pub(crate) fn end(&self, file: &File, durable: bool) -> Result<(), Failure> {
        if durable {
            file.sync_all().map_err(|e| Failure::local("cannot write into", &self.path, e))?;
        }
        Ok(())
    }

    /// Gives all files their names, in the order they came.
    ///
    /// Where one cannot be renamed, nothing is left of it and those behind it; but with `durable` they stay under their temporary
    /// names: they are whole, and the server may not keep the paste for much longer.
    pub(crate) fn keep(self, durable: bool) -> Result<Vec<Saved>, Failure> {
        let mut contents = lock(&self.contents);
        let mut numbers = HashMap::new();
        let mut saved = Vec::with_capacity(contents.files.len());
        contents.made = None;
        let mut files = std::mem::take(&mut contents.files).into_iter();
        while let Some(file) = files.next() {
            match self.place(&file, &mut numbers) {
                Ok(path) => saved.push(Saved { path, size: file.size }),
                Err(source) if durable => {
                    let others = files.map(|file| file.temporary.display().to_string());
                    let all: Vec<_> = std::iter::once(file.temporary.display().to_string()).chain(others).collect();
                    return Err(Failure::local("cannot name what stays as", all.join(", "), source));
                }
                Err(source) => {
                    let name = self.path.join(&file.name);
                    contents.files = std::iter::once(file).chain(files).collect();
                    return Err(Failure::local("cannot make", name, source));
                }
            }
        }
        if durable && !saved.is_empty() {
            // A folder cannot be opened on every system; its files are safe as they are there.
            let _ = File::open(&self.path).and_then(|folder| folder.sync_all());
        }
        Ok(saved)
    }

    fn place(&self, file: &Incoming, numbers: &mut HashMap<String, usize>) -> io::Result<PathBuf> {
        // File systems that know no case must not let two files of one paste meet.
        let number = numbers.entry(file.name.to_lowercase()).or_insert(0);
        for _ in 0..MOST_NUMBERS {
            let name = if *number == 0 { file.name.clone() } else { names::numbered(&file.name, *number) };
            let path = self.path.join(name);
            let replace = self.force && *number == 0;
            *number += 1;
            // An empty file of our own holds the name, so that the rename replaces nothing of anybody else.
            let held =
                replace || OpenOptions::new().write(true).create_new(true).open(&path).map(|_| true).or_else(taken)?;
            if held {
                let _ = fs::set_permissions(&file.temporary, file.permissions.clone());
                match fs::rename(&file.temporary, &path) {
                    Err(_) if replace && path.is_dir() => {}
                    Err(error) => {
                        if !replace {
                            let _ = fs::remove_file(&path);
                        }
                        return Err(error);
                    }
                    Ok(()) => return Ok(path),
                }
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("there are {MOST_NUMBERS} files of its name")))
    }

    fn create(&self, contents: &mut Contents) -> Result<(File, PathBuf, Permissions), Failure> {
        if !self.path.is_dir() {
            fs::create_dir_all(&self.path).map_err(|e| Failure::local("cannot make the folder", &self.path, e))?;
            contents.made = Some(self.path.clone());
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(Failure::Random)?;
        let path = self.path.join(format!(".pasteur-{:016x}.part", u64::from_be_bytes(random)));
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.and_then(|file| hide(&file).map(|permissions| (file, permissions)));
        file.map(|(file, permissions)| (file, path, permissions))
            .map_err(|e| Failure::local("cannot write into", &self.path, e))
    }
}

/// Lets the user alone read a file that is still empty: what a crash leaves of it is nobody else's business. Gives the
/// permissions that it had. A file system that has none of its own is let be.
fn hide(file: &File) -> io::Result<Permissions> {
    let permissions = file.metadata()?.permissions();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let _ = file.set_permissions(Permissions::from_mode(0o600));
    }
    Ok(permissions)
}

impl Contents {
    fn remove(&mut self) {
        for file in self.files.drain(..) {
            let _ = fs::remove_file(&file.temporary);
        }
        if let Some(folder) = self.made.take() {
            // It goes only if it is empty.
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        lock(&self.contents).remove();
    }
}

fn lock(contents: &Mutex<Contents>) -> MutexGuard<'_, Contents> {
    contents.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a name could be held: not where it is taken.
fn taken(e: io::Error) -> io::Result<bool> {
    if e.kind() == io::ErrorKind::AlreadyExists { Ok(false) } else { Err(e) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(folder: &mut Folder, files: &[(&str, &str)]) {
        for (name, text) in files {
            let mut file = folder.begin(name).unwrap();
            folder.write(&mut file, text.as_bytes()).unwrap();
            folder.end(&file, true).unwrap();
        }
    }

    fn listing(path: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(path).unwrap().map(|e| e.unwrap().path());
        let mut all: Vec<_> = entries
            .filter(|p| p.is_file())
            .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&p).unwrap()))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn files_get_their_names_at_the_end_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/deep");
        let mut folder = Folder::new(&path, false);
        fill(&mut folder, &[("../../a.txt", "1"), ("a.txt", "2"), ("A.txt", "3")]);
        assert!(listing(&path).iter().all(|(name, _)| name.starts_with(".pasteur-")));
        let saved = folder.keep(true).unwrap();
        assert_eq!(saved[0], Saved { path: path.join("a.txt"), size: 1 });
        let names: Vec<_> = listing(&path).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["A (2).txt", "a (1).txt", "a.txt"]);
    }

    #[test]
    fn nothing_that_exists_is_replaced_unless_forced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "old").unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        let mut folder = Folder::new(dir.path(), false);
        fill(&mut folder, &[("a", "new"), ("d", "new")]);
        folder.keep(false).unwrap();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(listing(dir.path()), [pair("a", "old"), pair("a (1)", "new"), pair("d (1)", "new")]);

        let mut folder = Folder::new(dir.path(), true);
        fill(&mut folder, &[("a", "forced"), ("a", "second"), ("d", "forced")]);
        folder.keep(false).unwrap();
        // Even so, two files of one paste do not replace each other, nor a file a folder.
        assert_eq!(
            listing(dir.path()),
            [
                pair("a", "forced"),
                pair("a (1)", "new"),
                pair("a (2)", "second"),
                pair("d (1)", "new"),
                pair("d (2)", "forced")
            ]
        );
    }

    #[test]
    fn nothing_is_left_of_what_was_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        let mut folder = Folder::new(&path, false);
        fill(&mut folder, &[("a", "1"), ("b", "2")]);
        drop(folder);
        assert!(!path.exists());
        let mut folder = Folder::new(&path, false);
        folder.probe().unwrap();
        drop(folder);
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_reads_a_file_before_it_has_its_name() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::write(dir.path().join("other"), "x").unwrap();
        let mut folder = Folder::new(dir.path(), false);
        fill(&mut folder, &[("a", "1")]);
        let hidden = lock(&folder.contents).files[0].temporary.clone();
        assert_eq!(mode(&hidden), 0o600);
        folder.keep(false).unwrap();
        assert_eq!(mode(&dir.path().join("a")), mode(&dir.path().join("other")));
    }

    #[test]
    fn a_file_that_cannot_be_named_leaves_what_it_has_to_and_no_more() {
        for durable in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("out");
            let mut folder = Folder::new(&path, false);
            fill(&mut folder, &[("a", "1"), ("b", "2"), ("c", "3")]);
            // Somebody has removed one, so that it cannot be renamed.
            let gone = lock(&folder.contents).files[1].temporary.clone();
            fs::remove_file(&gone).unwrap();
            let error = folder.keep(durable).unwrap_err();
            assert_eq!(error.code(), crate::failure::code::LOCAL);
            let left: Vec<_> = listing(&path).into_iter().map(|(name, _)| name).collect();
            match &left[..] {
                [kept, a] if durable => assert!(a == "a" && error.to_string().contains(kept), "{error}"),
                left => assert!(!durable && left == ["a"], "{left:?}"),
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_lies_in_wait_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("target"), "old").unwrap();
        let path = dir.path().join("out");
        fs::create_dir(&path).unwrap();
        std::os::unix::fs::symlink("../target", path.join("a")).unwrap();
        std::os::unix::fs::symlink("../nowhere", path.join("b")).unwrap();
        for force in [false, true] {
            let mut folder = Folder::new(&path, force);
            fill(&mut folder, &[("a", "new"), ("b", "new")]);
            folder.keep(false).unwrap();
            assert_eq!(listing(dir.path()), [("target".to_owned(), "old".to_owned())]);
        }
        assert!(!path.join("a").is_symlink());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "x").unwrap();
        let error = Folder::new(&dir.path().join("file"), false).probe().unwrap_err();
        assert_eq!(error.code(), crate::failure::code::LOCAL);
    }
}
