//! A folder of a file system.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Cursor};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use docteur::layout::MAX_PATH;
use docteur::{Attribute, Time};

use crate::error::show;
use crate::nodes::Nodes;
use crate::place::{Place, whole};
use crate::{Error, Node, NodeKind, Options, Tree, make};

/// All that is in a folder, with names of any bytes, modes, times, extended attributes, symbolic links as such, and hard
/// links. Devices, pipes and sockets are refused.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    /// In the order of an image; a file's key is its number.
    nodes: Nodes,
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
        let mut scan = Scan { root, attributes, nodes: Nodes::default(), linked: HashMap::new() };
        // A symbolic link is followed here, and nowhere below.
        let about = fs::metadata(root).map_err(Error::io(root))?;
        if !about.is_dir() {
            return Err(Error::Io(root.to_path_buf(), io::ErrorKind::NotADirectory.into()));
        }
        scan.node(Vec::new(), &about)?;
        let mut open = vec![(Vec::new(), names(&place(root, b"")?)?)];
        while let Some((folder, names_left)) = open.last_mut() {
            let Some(name) = names_left.next() else {
                open.pop();
                continue;
            };
            let path = if folder.is_empty() { name } else { [folder, &b"/"[..], &name].concat() };
            if scan.nodes.len() as u64 >= paths {
                return Err(Error::TooMuch { what: "the number of paths", limit: paths });
            }
            if path.len() > MAX_PATH {
                return Err(Error::Path(show(&path)));
            }
            let place = place(root, &path)?;
            let about = fs::symlink_metadata(&place).map_err(Error::io(place.told()))?;
            scan.node(path.clone(), &about)?;
            if about.is_dir() {
                let names = names(&place)?;
                open.push((path, names));
            }
        }
        Ok(Self { root: root.to_path_buf(), nodes: scan.nodes })
    }
}

/// A folder's names, by their bytes.
fn names(folder: &Place) -> Result<std::vec::IntoIter<Vec<u8>>, Error> {
    let names = fs::read_dir(folder).map_err(Error::io(folder.told()))?.map(|entry| Ok(entry?.file_name().into_vec()));
    let mut names: Vec<_> = names.collect::<io::Result<_>>().map_err(Error::io(folder.told()))?;
    names.sort_unstable();
    Ok(names.into_iter())
}

fn place(root: &Path, path: &[u8]) -> Result<Place, Error> {
    Place::new(root, path).map_err(|error| Error::Io(whole(root, path), error))
}

struct Scan<'a> {
    root: &'a Path,
    attributes: bool,
    nodes: Nodes,
    /// Numbers of hard links, by device and inode.
    linked: HashMap<(u64, u64), u64>,
}

impl Scan<'_> {
    fn node(&mut self, path: Vec<u8>, about: &Metadata) -> Result<(), Error> {
        let place = place(self.root, &path)?;
        let kind = about.file_type();
        let kind = if kind.is_dir() {
            NodeKind::Directory
        } else if kind.is_file() {
            NodeKind::File { key: self.nodes.len() as u64, size: about.len() }
        } else if kind.is_symlink() {
            NodeKind::Symlink(fs::read_link(&place).map_err(Error::io(place.told()))?.into_os_string().into_vec())
        } else {
            return Err(Error::Special(place.told().to_path_buf()));
        };
        let link = (about.nlink() > 1 && kind != NodeKind::Directory).then(|| {
            let next = self.linked.len() as u64;
            *self.linked.entry((about.dev(), about.ino())).or_insert(next)
        });
        let attributes =
            if self.attributes { extended(place.as_ref()).map_err(Error::io(place.told()))? } else { Vec::new() };
        let modified = Time { seconds: about.mtime(), nanoseconds: about.mtime_nsec() as u32 };
        let mode = (about.mode() & 0o7777) as u16;
        self.nodes.push(Node { path, kind, mode, modified, attributes, link, media_type: None })
    }
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
        File::open(Place::new(&self.root, &self.nodes.path(number))?)?.read_exact_at(buffer, offset)
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
fn extended(place: &Path) -> io::Result<Vec<Attribute>> {
    use rustix::io::Errno;
    let mut names = vec![0; 256];
    let len = loop {
        match rustix::fs::llistxattr(place, &mut names) {
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
            match rustix::fs::lgetxattr(place, OsStr::from_bytes(name), &mut value) {
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
