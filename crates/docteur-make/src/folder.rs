//! A folder of a file system.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Cursor};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use docteur::layout::MAX_PATH;
use docteur::{Attribute, Time};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};

use crate::below::{Below, Parent, is_other, split};
use crate::error::{Moved, show};
use crate::nodes::Nodes;
use crate::place::whole;
use crate::{Error, Node, NodeKind, Options, Tree, make};

/// All that is in a folder, with names of any bytes, modes, times, extended attributes, symbolic links as such, and hard
/// links. Devices, pipes and sockets are refused.
///
/// No symbolic link below it is followed, and a file whose type, length or times have changed since it was looked at is
/// [`Error::Changed`]: others may write to the folder meanwhile.
#[derive(Debug)]
pub struct Folder {
    below: Below,
    /// In the order of an image; a file's key is its number.
    nodes: Nodes,
    /// What each was when it was looked at, by some bits.
    looks: Vec<u32>,
    /// What the bits depend on, so that nobody can make another file that has them.
    keys: RandomState,
}

impl Folder {
    /// Reads names and what is known of them; bytes are read later.
    ///
    /// # Errors
    /// If something cannot be read, or is neither folder, file nor symbolic link.
    pub fn scan(root: &Path, attributes: bool) -> Result<Self, Error> {
        Self::scan_up_to(root, attributes, u64::from(u32::MAX))
    }

    /// The same with at most so many paths, each of which takes memory.
    ///
    /// # Errors
    /// As [`Folder::scan`]; [`Error::TooMuch`] as soon as there is one more.
    pub fn scan_up_to(root: &Path, attributes: bool, paths: u64) -> Result<Self, Error> {
        let below = Below::new(root).map_err(Error::io(root))?;
        let folder = Self { below, nodes: Nodes::default(), looks: Vec::new(), keys: RandomState::new() };
        let mut scan = Scan { root, attributes, folder, linked: HashMap::new() };
        let names_left = scan.look(Vec::new())?.unwrap_or_default();
        let mut open = vec![(Vec::new(), names_left.into_iter())];
        while let Some((folder, names_left)) = open.last_mut() {
            let Some(name) = names_left.next() else {
                open.pop();
                continue;
            };
            let path = if folder.is_empty() { name } else { [folder, &b"/"[..], &name].concat() };
            if scan.folder.nodes.len() as u64 >= paths {
                return Err(Error::TooMuch { what: "the number of paths", limit: paths });
            }
            if path.len() > MAX_PATH {
                return Err(Error::Path(show(&path)));
            }
            if let Some(names) = scan.look(path.clone())? {
                open.push((path, names.into_iter()));
            }
        }
        Ok(scan.folder)
    }

    /// Bits by which a file that has changed is known.
    fn bits(&self, about: &Stat) -> u32 {
        let times = (about.st_mtime, about.st_mtime_nsec, about.st_ctime, about.st_ctime_nsec);
        self.keys.hash_one((about.st_dev, about.st_mode, about.st_size, times)) as u32
    }
}

struct Scan<'a> {
    root: &'a Path,
    attributes: bool,
    folder: Folder,
    /// Numbers of hard links, by device and inode.
    linked: HashMap<(u64, u64), u64>,
}

impl Scan<'_> {
    /// Adds a path; of a folder, gives the names that are in it, by their bytes.
    fn look(&mut self, path: Vec<u8>) -> Result<Option<Vec<Vec<u8>>>, Error> {
        let told = || whole(self.root, &path);
        let failed = |error: io::Error| match is_other(&error) {
            true => Error::Changed(show(&path)),
            false => Error::Io(told(), error),
        };
        let (folder, name) = split(&path);
        let parent = self.folder.below.folder(folder).map_err(failed)?;
        let here = OsStr::from_bytes(if name.is_empty() { b"." } else { name });
        let about = statat(&parent, here, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| failed(error.into()))?;
        let number = self.folder.nodes.len();
        let (kind, names) = match FileType::from_raw_mode(about.st_mode) {
            FileType::Directory => (NodeKind::Directory, Some(names(&parent, here).map_err(failed)?)),
            FileType::RegularFile => (NodeKind::File { key: number as u64, size: about.st_size as u64 }, None),
            FileType::Symlink => {
                let target = readlinkat(&parent, here, Vec::new()).map_err(|error| failed(error.into()))?;
                (NodeKind::Symlink(target.into_bytes()), None)
            }
            _ => return Err(Error::Special(told())),
        };
        let link = (about.st_nlink > 1 && kind != NodeKind::Directory).then(|| {
            let next = self.linked.len() as u64;
            *self.linked.entry((about.st_dev, about.st_ino)).or_insert(next)
        });
        let attributes = if self.attributes { extended(&parent, here).map_err(failed)? } else { Vec::new() };
        let modified = Time { seconds: about.st_mtime, nanoseconds: about.st_mtime_nsec as u32 };
        let mode = (about.st_mode & 0o7777) as u16;
        let bits = self.folder.bits(&about);
        drop(parent);
        self.folder.nodes.push(Node { path, kind, mode, modified, attributes, link, media_type: None })?;
        self.folder.looks.push(bits);
        Ok(names)
    }
}

/// The names in a folder that is in another, by their bytes.
fn names(parent: &Parent<'_>, folder: &OsStr) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(parent, folder, flags, Mode::empty())?;
    for entry in Dir::new(opened)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

impl Tree for Folder {
    fn count(&self) -> usize {
        self.nodes.len()
    }

    fn node(&self, number: usize) -> Node {
        self.nodes.node(number)
    }

    fn read_at(&self, key: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let number = usize::try_from(key).map_err(|_| io::ErrorKind::NotFound)?;
        let moved = |error: io::Error| match error.kind() == io::ErrorKind::UnexpectedEof || is_other(&error) {
            true => io::Error::other(Moved),
            false => error,
        };
        let file = self.below.file(&self.nodes.path(number)).map_err(moved)?;
        if self.looks.get(number) != Some(&self.bits(&fstat(&file)?)) {
            return Err(io::Error::other(Moved));
        }
        file.read_exact_at(buffer, offset).map_err(moved)
    }
}

/// Bytes of a site's longest segment.
const SITE_SEGMENT: u32 = 64 << 10;

/// The image of the web site in `folder`, as [`Options::site`] has it.
///
/// # Errors
/// As [`Folder::scan`] and [`make`]; a symbolic link is refused rather than served.
pub fn image_of_folder(folder: &Path) -> Result<Vec<u8>, Error> {
    let tree = Folder::scan(folder, false)?;
    if let Some(link) =
        (0..tree.count()).map(|number| tree.node(number)).find(|node| matches!(node.kind, NodeKind::Symlink(_)))
    {
        return Err(Error::Special(whole(folder, &link.path)));
    }
    let mut out = Cursor::new(Vec::new());
    // A page is read without what else the site has.
    make(&tree, &Options { segment: SITE_SEGMENT, ..Options::site() }, &mut out, Path::new("the image"), |_| {})?;
    Ok(out.into_inner())
}

/// Extended attributes of a path itself; none where the file system has no such thing.
fn extended(folder: &Parent<'_>, name: &OsStr) -> io::Result<Vec<Attribute>> {
    use rustix::io::Errno;
    let place = folder.taken(name.as_bytes());
    let mut names = vec![0; 256];
    let len = loop {
        match rustix::fs::llistxattr(&place, &mut names) {
            Ok(len) => break len,
            Err(Errno::RANGE) if names.len() < 1 << 20 => names.resize(names.len() * 4, 0),
            Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
    };
    names.truncate(len);
    let mut attributes = Vec::new();
    for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 256];
        let len = loop {
            match rustix::fs::lgetxattr(&place, OsStr::from_bytes(name), &mut value) {
                Ok(len) => break Some(len),
                Err(Errno::RANGE) if value.len() < 1 << 20 => value.resize(value.len() * 4, 0),
                // Gone since, or not for us to see.
                Err(Errno::NODATA | Errno::PERM | Errno::ACCESS) => break None,
                Err(error) => return Err(error.into()),
            }
        };
        if let Some(len) = len {
            value.truncate(len);
            attributes.push(Attribute { name: name.to_vec(), value });
        }
    }
    Ok(attributes)
}
