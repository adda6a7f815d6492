//! Unpacking an image into a folder.
//!
//! Nothing is written outside of it: the folder has to be empty, a path is made of checked names, and its own folder is one that was made
//! before, never a symbolic link.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use docteur::{Cache, Content, Defect, Entry, Folders, Image, Kind, Source, Walk};
use rustix::fs::{AtFlags, Timespec, Timestamps, XattrFlags};

use crate::Error;

/// What was unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Paths, the root among them.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Extended attributes, setuid, setgid and sticky bits that were left out, because the image is not trusted or the system refused.
    pub left_out: u64,
}

/// What an image may do to the folder that it is unpacked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Whether attributes beyond `user.*` and the mode's bits beyond `0777` are kept.
    pub attributes: bool,
    /// The most paths. What is known of each is held in memory.
    pub paths: u64,
    /// The most bytes of files, hard links counted once: a small image can unpack to a full disk.
    pub bytes: u64,
}

impl Default for Trust {
    /// No more attributes, ten million paths, one TiB.
    fn default() -> Self {
        Self { attributes: false, paths: 10_000_000, bytes: 1 << 40 }
    }
}

/// A file to be written.
struct Todo {
    content: Content,
    entry: Entry,
}

/// Unpacks `image` into `folder`, which has to be empty or not to exist, as far as `trust` goes. One that is there stays as it is: its mode,
/// time and attributes are its owner's, not the image's. `progress` is told bytes as they are written.
///
/// # Errors
/// If the image is damaged or has more than it may, or something cannot be written. What was written until then stays.
pub fn extract<S: Source<Error = io::Error>>(
    image: &Image<S>,
    folder: &Path,
    trust: Trust,
    mut progress: impl FnMut(u64),
) -> Result<Extracted, Error> {
    let trusted = trust.attributes;
    // The index is held to this number as it is read.
    if image.superblock().entries > trust.paths {
        return Err(Error::TooMuch { what: "the number of paths to unpack", limit: trust.paths });
    }
    let mut done = Extracted::default();
    let mut cache = Cache::new(8 << 20);
    let is_ours = match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::read_dir(folder).map_err(Error::io(folder))?.next().is_some() {
                return Err(Error::Io(folder.to_path_buf(), io::ErrorKind::DirectoryNotEmpty.into()));
            }
            false
        }
        made => made.map_err(Error::io(folder)).map(|()| true)?,
    };
    let (mut folders, mut files, mut links) = (Vec::new(), Vec::new(), Vec::new());
    let (mut walk, mut open) = (Walk::new(), Folders::default());
    while let Some(entry) = walk.next(image, &mut cache)? {
        if !open.enter(&entry.path, entry.kind == Kind::Directory) {
            let at = image.superblock().blocks_at();
            return Err(docteur::Error::Image { defect: Defect::Parent, at }.into());
        }
        done.entries += 1;
        match &entry.kind {
            Kind::Directory if entry.path.is_empty() && !is_ours => {}
            Kind::Directory => {
                let place = place(folder, &entry.path);
                if !entry.path.is_empty() {
                    fs::create_dir(&place).map_err(Error::io(&place))?;
                }
                // Until all is there.
                fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).map_err(Error::io(&place))?;
                folders.push(entry);
            }
            Kind::File(content) => files.push(Todo { content: *content, entry }),
            _ => links.push(entry),
        }
    }
    // In the order of the segments, so that each is decoded once.
    files.sort_by_key(|todo| (todo.content.segment, todo.content.offset));
    let mut linked: HashMap<u64, (PathBuf, &Kind)> = HashMap::new();
    for Todo { content, entry } in &files {
        let place = place(folder, &entry.path);
        if let Some((first, kind)) = entry.link.and_then(|link| linked.get(&link)) {
            relink(image, first, kind, entry, &place)?;
            continue;
        }
        if content.size > trust.bytes - done.bytes {
            return Err(Error::TooMuch { what: "the bytes of files to unpack", limit: trust.bytes });
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place).map_err(Error::io(&place))?;
        write(image, &mut cache, content, &mut file, &mut progress)
            .map_err(|error| error.map_or_else(Error::from, Error::io(&place)))?;
        done.bytes += content.size;
        finish(&place, entry, trusted, &mut done)?;
        if let Some(link) = entry.link {
            linked.insert(link, (place, &entry.kind));
        }
    }
    for entry in &links {
        let place = place(folder, &entry.path);
        if let (Some(link), Kind::Symlink(target)) = (entry.link, &entry.kind) {
            if let Some((first, kind)) = linked.get(&link) {
                relink(image, first, kind, entry, &place)?;
                continue;
            }
            linked.insert(link, (place.clone(), &entry.kind));
            symlink(target, &place)?;
        } else if let Kind::Symlink(target) = &entry.kind {
            symlink(target, &place)?;
        }
        finish(&place, entry, trusted, &mut done)?;
    }
    // A folder's time is set once nothing is made in it any more.
    for entry in folders.iter().rev() {
        finish(&place(folder, &entry.path), entry, trusted, &mut done)?;
    }
    Ok(done)
}

fn place(folder: &Path, path: &[u8]) -> PathBuf {
    if path.is_empty() { folder.to_path_buf() } else { folder.join(OsStr::from_bytes(path)) }
}

/// Makes a hard link to `first`, which has to be of the same bytes.
fn relink<S: Source<Error = io::Error>>(
    image: &Image<S>,
    first: &Path,
    kind: &Kind,
    entry: &Entry,
    place: &Path,
) -> Result<(), Error> {
    if *kind != entry.kind {
        return Err(docteur::Error::Image { defect: Defect::Link, at: image.superblock().blocks_at() }.into());
    }
    fs::hard_link(first, place).map_err(Error::io(place))
}

fn symlink(target: &[u8], place: &Path) -> Result<(), Error> {
    std::os::unix::fs::symlink(OsStr::from_bytes(target), place).map_err(Error::io(place))
}

/// The inner result's error is the file's, the outer's the image's.
type Written = Result<(), Result<io::Error, docteur::Error<io::Error>>>;

fn write<S: Source<Error = io::Error>>(
    image: &Image<S>,
    cache: &mut Cache,
    content: &Content,
    file: &mut File,
    progress: &mut impl FnMut(u64),
) -> Written {
    let mut offset = 0;
    while offset < content.size {
        let piece = image.piece_of(cache, content, offset, 1 << 20).map_err(Err)?;
        file.write_all(piece).map_err(Ok)?;
        offset += piece.len() as u64;
        progress(piece.len() as u64);
    }
    Ok(())
}

/// Sets what a path has beside its bytes.
fn finish(place: &Path, entry: &Entry, trusted: bool, done: &mut Extracted) -> Result<(), Error> {
    for attribute in &entry.attributes {
        let name = OsStr::from_bytes(&attribute.name);
        let allowed = trusted || attribute.name.starts_with(b"user.");
        if !allowed || rustix::fs::lsetxattr(place, name, &attribute.value, XattrFlags::empty()).is_err() {
            done.left_out += 1;
        }
    }
    if !matches!(entry.kind, Kind::Symlink(_)) {
        let mode = if trusted { entry.mode } else { entry.mode & 0o777 };
        done.left_out += u64::from(mode != entry.mode);
        fs::set_permissions(place, fs::Permissions::from_mode(mode.into())).map_err(Error::io(place))?;
    }
    let time = Timespec { tv_sec: entry.modified.seconds, tv_nsec: entry.modified.nanoseconds.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, place, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|error| Error::Io(place.to_path_buf(), error.into()))
}
