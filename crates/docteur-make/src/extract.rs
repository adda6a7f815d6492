//! Unpacking an image into a folder.
//!
//! Nothing is written outside of it: the folder has to be empty, a path is made of checked names, and its own folder is one that was made
//! before, never a symbolic link.
//!
//! The index is walked twice: once for folders and for where contents are, and once all is there, for modes, times and attributes. So of
//! each path little is kept meanwhile, and paths and targets, which a small image may have gigabytes of, go to a temporary file.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use docteur::{Attribute, Cache, Content, Defect, Folders, Image, Kind, Source, Time, Walk};
use rustix::fs::{AtFlags, Timespec, Timestamps, XattrFlags};

use crate::Error;
use crate::place::{Place, whole};
use crate::spill::Spill;

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
    /// The most paths. Some 48 bytes of each are held in memory, and its name beyond 16 MiB of all names in a temporary file.
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

/// A file or a symbolic link to be made.
struct Todo {
    what: What,
    path: Text,
    link: Option<u64>,
}

#[derive(Clone, Copy)]
enum What {
    File(Content),
    Symlink(Text),
}

/// A path or a target that is kept.
#[derive(Clone, Copy)]
struct Text {
    at: u64,
    len: u32,
}

#[derive(Default)]
struct Texts(Spill);

impl Texts {
    fn keep(&mut self, text: &[u8]) -> Result<Text, Error> {
        Ok(Text { at: self.0.push(text)?, len: text.len() as u32 })
    }

    fn bytes(&self, text: Text) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; text.len as usize];
        self.0.read_at(text.at, &mut bytes).map_err(Error::io(std::env::temp_dir()))?;
        Ok(bytes)
    }
}

/// A folder to be finished once the walk has left it: how long its path is, which the paths in it begin with.
struct Open {
    len: usize,
    mode: u16,
    modified: Time,
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
    let (mut files, mut links, mut texts) = (Vec::new(), Vec::new(), Texts::default());
    let (mut walk, mut open) = (Walk::new(), Folders::default());
    while let Some(entry) = walk.next(image, &mut cache)? {
        if !open.enter(&entry.path, entry.kind == Kind::Directory) {
            let at = image.superblock().blocks_at();
            return Err(docteur::Error::Image { defect: Defect::Parent, at }.into());
        }
        done.entries += 1;
        let link = entry.link;
        match &entry.kind {
            Kind::Directory if entry.path.is_empty() && !is_ours => {}
            Kind::Directory => {
                let place = place(folder, &entry.path)?;
                if !entry.path.is_empty() {
                    fs::create_dir(&place).map_err(Error::io(place.told()))?;
                }
                // Until all is there.
                allow(&place, 0o700)?;
            }
            Kind::File(content) => {
                files.push(Todo { what: What::File(*content), path: texts.keep(&entry.path)?, link })
            }
            Kind::Symlink(target) => {
                let (path, target) = (texts.keep(&entry.path)?, texts.keep(target)?);
                links.push(Todo { what: What::Symlink(target), path, link });
            }
        }
    }
    // In the order of the segments, so that each is decoded once. Links are last, so that nothing is written through one.
    files.sort_unstable_by_key(|todo| match todo.what {
        What::File(content) => (content.segment, content.offset, todo.path.at),
        What::Symlink(_) => (0, 0, todo.path.at),
    });
    let mut linked: HashMap<u64, (Text, What)> = HashMap::new();
    for Todo { what, path, link } in files.into_iter().chain(links) {
        let place = place(folder, &texts.bytes(path)?)?;
        if let Some((first, other)) = link.and_then(|link| linked.get(&link)) {
            let is_same = match (*other, what) {
                (What::File(first), What::File(content)) => first == content,
                (What::Symlink(first), What::Symlink(target)) => texts.bytes(first)? == texts.bytes(target)?,
                _ => false,
            };
            if !is_same {
                return Err(docteur::Error::Image { defect: Defect::Link, at: image.superblock().blocks_at() }.into());
            }
            let first = self::place(folder, &texts.bytes(*first)?)?;
            fs::hard_link(first, &place).map_err(Error::io(place.told()))?;
            continue;
        }
        match what {
            What::File(content) => {
                if content.size > trust.bytes - done.bytes {
                    return Err(Error::TooMuch { what: "the bytes of files to unpack", limit: trust.bytes });
                }
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&place)
                    .map_err(Error::io(place.told()))?;
                write(image, &mut cache, &content, &mut file, &mut progress)
                    .map_err(|error| error.map_or_else(Error::from, Error::io(place.told())))?;
                done.bytes += content.size;
            }
            What::Symlink(target) => {
                let target = texts.bytes(target)?;
                std::os::unix::fs::symlink(OsStr::from_bytes(&target), &place).map_err(Error::io(place.told()))?;
            }
        }
        if let Some(link) = link {
            linked.insert(link, (path, what));
        }
    }
    drop((linked, texts));
    finish(image, &mut cache, folder, is_ours, trusted, &mut done)?;
    Ok(done)
}

/// Sets what paths have beside their bytes, but for the root where it is not ours; nothing is made in a folder any more. Of hard links the
/// first path counts.
fn finish<S: Source<Error = io::Error>>(
    image: &Image<S>,
    cache: &mut Cache,
    folder: &Path,
    is_ours: bool,
    trusted: bool,
    done: &mut Extracted,
) -> Result<(), Error> {
    let allowed = |mode: u16| if trusted { mode } else { mode & 0o777 };
    let (mut walk, mut seen, mut open, mut last) = (Walk::new(), HashSet::new(), Vec::<Open>::new(), Vec::new());
    loop {
        let entry = walk.next(image, cache)?;
        let is_left = |open: &mut Open| entry.as_ref().is_none_or(|entry| !is_in(&entry.path, &last[..open.len]));
        while let Some(left) = open.pop_if(is_left) {
            let place = place(folder, &last[..left.len])?;
            allow(&place, allowed(left.mode))?;
            stamp(&place, left.modified)?;
        }
        let Some(entry) = entry else { return Ok(()) };
        if entry.path.is_empty() && !is_ours {
            continue;
        }
        if entry.link.is_none_or(|link| seen.insert(link)) {
            let place = place(folder, &entry.path)?;
            attribute(&place, &entry.attributes, trusted, done);
            done.left_out += u64::from(allowed(entry.mode) != entry.mode && !matches!(entry.kind, Kind::Symlink(_)));
            match entry.kind {
                Kind::Directory => {
                    if !entry.attributes.is_empty() {
                        // An attribute may be an access list, by which what is in the folder could not be reached.
                        allow(&place, 0o700)?;
                    }
                    open.push(Open { len: entry.path.len(), mode: entry.mode, modified: entry.modified });
                }
                Kind::File(_) => {
                    allow(&place, allowed(entry.mode))?;
                    stamp(&place, entry.modified)?;
                }
                Kind::Symlink(_) => stamp(&place, entry.modified)?,
            }
        }
        last = entry.path;
    }
}

/// Whether a path is below a folder's.
fn is_in(path: &[u8], folder: &[u8]) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with(b"/"))
}

fn place(folder: &Path, path: &[u8]) -> Result<Place, Error> {
    Place::new(folder, path).map_err(|error| Error::Io(whole(folder, path), error))
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

fn attribute(place: &Place, attributes: &[Attribute], trusted: bool, done: &mut Extracted) {
    for attribute in attributes {
        let name = OsStr::from_bytes(&attribute.name);
        let allowed = trusted || attribute.name.starts_with(b"user.");
        if !allowed || rustix::fs::lsetxattr(place.as_ref(), name, &attribute.value, XattrFlags::empty()).is_err() {
            done.left_out += 1;
        }
    }
}

fn allow(place: &Place, mode: u16) -> Result<(), Error> {
    fs::set_permissions(place, fs::Permissions::from_mode(mode.into())).map_err(Error::io(place.told()))
}

fn stamp(place: &Place, modified: Time) -> Result<(), Error> {
    let time = Timespec { tv_sec: modified.seconds, tv_nsec: modified.nanoseconds.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, place.as_ref(), &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|error| Error::Io(place.told().to_path_buf(), error.into()))
}
