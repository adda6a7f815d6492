//! A folder of a file system.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Cursor};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use docteur::{Attribute, Time};

use crate::{Error, Node, NodeKind, Options, Tree, make};

/// All that is in a folder, with names of any bytes, modes, times, extended attributes, symbolic links as such, and hard
/// links. Devices, pipes and sockets are refused.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    nodes: Vec<Node>,
    /// The node of each key.
    keys: Vec<usize>,
}

impl Folder {
    /// Reads names and what is known of them; bytes are read later.
    ///
    /// # Errors
    /// If something cannot be read, or is neither folder, file nor symbolic link.
    pub fn scan(root: &Path, attributes: bool) -> Result<Self, Error> {
        let mut folder = Self { root: root.to_path_buf(), nodes: Vec::new(), keys: Vec::new() };
        let mut linked: HashMap<(u64, u64), u64> = HashMap::new();
        // A symbolic link is followed here, and nowhere below.
        let about = fs::metadata(root).map_err(Error::io(root))?;
        if !about.is_dir() {
            return Err(Error::Io(root.to_path_buf(), io::ErrorKind::NotADirectory.into()));
        }
        let mut open = vec![(Vec::new(), about)];
        while let Some((path, about)) = open.pop() {
            let place = folder.place(&path);
            let kind = about.file_type();
            let kind = if kind.is_dir() {
                for entry in fs::read_dir(&place).map_err(Error::io(&place))? {
                    let entry = entry.map_err(Error::io(&place))?;
                    let mut below = path.clone();
                    if !below.is_empty() {
                        below.push(b'/');
                    }
                    below.extend_from_slice(&entry.file_name().into_vec());
                    open.push((below, entry.metadata().map_err(Error::io(entry.path()))?));
                }
                NodeKind::Directory
            } else if kind.is_file() {
                folder.keys.push(folder.nodes.len());
                NodeKind::File { key: folder.keys.len() as u64 - 1, size: about.len() }
            } else if kind.is_symlink() {
                NodeKind::Symlink(fs::read_link(&place).map_err(Error::io(&place))?.into_os_string().into_vec())
            } else {
                return Err(Error::Special(place));
            };
            let link = (about.nlink() > 1 && kind != NodeKind::Directory).then(|| {
                let next = linked.len() as u64;
                *linked.entry((about.dev(), about.ino())).or_insert(next)
            });
            folder.nodes.push(Node {
                path,
                kind,
                mode: (about.mode() & 0o7777) as u16,
                modified: Time { seconds: about.mtime(), nanoseconds: about.mtime_nsec() as u32 },
                attributes: if attributes { extended(&place).map_err(Error::io(&place))? } else { Vec::new() },
                link,
                media_type: None,
            });
        }
        Ok(folder)
    }

    fn place(&self, path: &[u8]) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(OsStr::from_bytes(path)) }
    }
}

impl Tree for Folder {
    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn read_at(&self, key: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let node = usize::try_from(key).ok().and_then(|key| self.nodes.get(*self.keys.get(key)?));
        let node = node.ok_or(io::ErrorKind::NotFound)?;
        File::open(self.place(&node.path))?.read_exact_at(buffer, offset)
    }
}

/// The image of the web site in `folder`, as [`Options::site`] has it.
///
/// # Errors
/// As [`Folder::scan`] and [`make`]; a symbolic link is refused rather than served.
pub fn image_of_folder(folder: &Path) -> Result<Vec<u8>, Error> {
    let tree = Folder::scan(folder, false)?;
    if let Some(link) = tree.nodes.iter().find(|node| matches!(node.kind, NodeKind::Symlink(_))) {
        return Err(Error::Special(tree.place(&link.path)));
    }
    let mut out = Cursor::new(Vec::new());
    make(&tree, &Options::site(), &mut out, Path::new("the image"), |_| {})?;
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
