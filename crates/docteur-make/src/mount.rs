//! An image as a file system, by FUSE.
//!
//! The kernel asks for a folder's names and for pieces of files, and keeps what it got: an image does not change. An inode's number is a hash
//! of its path, or of the number that hard links share, so that nothing has to be scanned. Only inodes that the kernel holds are known
//! here; when it forgets one, so do we.

mod nodes;

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use docteur::{Content, Entry, Image, Kind, List, Pool, Source};
use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, MountOption,
    OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyXattr,
    Request, Session, SessionUnmounter,
};
use rustix::mount::UnmountFlags;

use crate::shown;
use nodes::{Node, Nodes, locked, number};

/// How long the kernel may keep what it was told. It does not change.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Threads that answer the kernel, each with a cache.
const THREADS: usize = 2;
/// Bytes of decoded pieces that each keeps.
const CACHE: usize = 8 << 20;
/// The most bytes that are read at once; the kernel asks for less.
const MOST: u32 = 1 << 20;
/// What Linux counts a file's blocks in.
const BLOCK: u64 = 512;

/// A mounted image.
#[derive(Debug)]
pub struct Mount {
    session: Session<Files>,
    unmount: Unmount,
}

/// Ends a [`Mount`], from any thread.
#[derive(Debug)]
pub struct Unmount {
    folder: PathBuf,
    unmounter: SessionUnmounter,
}

impl Mount {
    /// Mounts `image` at `folder`, read-only, for the user of this process; it takes the right to mount, or the program `fusermount3`.
    /// `tell` gets a line about each damage that is met while reading; whoever was reading gets `EIO`.
    ///
    /// # Errors
    /// The system's; that `folder` is none, or is not empty.
    pub fn new<S: Source<Error = io::Error> + Send + Sync + 'static>(
        image: Image<S>,
        folder: &Path,
        tell: impl Fn(String) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let mut config = Config::default();
        config.n_threads = Some(THREADS);
        config.mount_options = vec![
            MountOption::RO,
            MountOption::NoDev,
            MountOption::NoSuid,
            MountOption::NoAtime,
            // The kernel looks at modes, for who may read what.
            MountOption::DefaultPermissions,
            MountOption::FSName("docteur".into()),
            MountOption::Subtype("docteur".into()),
        ];
        let folder = folder.canonicalize()?;
        // What is there would be hidden, and a file would become a folder.
        if std::fs::read_dir(&folder)?.next().is_some() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let mut session = Session::new(Files::new(image, Box::new(tell)), &folder, &config)?;
        let unmount = Unmount { folder, unmounter: session.unmount_callable() };
        Ok(Self { session, unmount })
    }

    /// Answers the kernel until the file system is unmounted. `first` gets what ends it, before it begins.
    ///
    /// # Errors
    /// The system's.
    pub fn run(self, first: impl FnOnce(Unmount)) -> io::Result<()> {
        first(self.unmount);
        self.session.run()
    }
}

impl Unmount {
    /// Takes the file system out of its folder. What is open in it can be read on; [`Mount::run`] ends when the last of it is closed.
    ///
    /// # Errors
    /// The system's.
    pub fn detach(&mut self) -> io::Result<()> {
        match rustix::mount::unmount(&self.folder, UnmountFlags::DETACH) {
            // By `fusermount3`, which has the right to.
            Err(rustix::io::Errno::PERM) => self.unmounter.unmount(),
            done => Ok(done?),
        }
    }
}

type Tell = Box<dyn Fn(String) + Send + Sync>;

/// What the kernel asks.
struct Files {
    pool: Box<dyn Reads>,
    nodes: Mutex<Nodes>,
    /// Folders that are being listed.
    open: Mutex<nodes::Handles<Listing>>,
    owner: (u32, u32),
    tell: Tell,
}

/// A pool of any source; the kernel's calls do not know of which.
trait Reads: Send + Sync {
    fn find(&self, path: &[u8]) -> Result<Option<Entry>, String>;
    fn read(&self, content: &Content, offset: u64, buffer: &mut Vec<u8>) -> Result<(), String>;
    fn next(&self, list: &mut List) -> Result<Option<Entry>, String>;
    fn totals(&self) -> (u64, u64);
}

impl<S: Source<Error = io::Error> + Send + Sync> Reads for Pool<S> {
    fn find(&self, path: &[u8]) -> Result<Option<Entry>, String> {
        self.with(|image, cache| image.find(cache, path)).map_err(|error| error.to_string())
    }

    fn read(&self, content: &Content, offset: u64, buffer: &mut Vec<u8>) -> Result<(), String> {
        let read = self.with(|image, cache| image.read(cache, content, offset, buffer));
        buffer.truncate(read.map_err(|error| error.to_string())?);
        Ok(())
    }

    fn next(&self, list: &mut List) -> Result<Option<Entry>, String> {
        self.with(|image, cache| list.next(image, cache)).map_err(|error| error.to_string())
    }

    fn totals(&self) -> (u64, u64) {
        (self.image().superblock().bytes, self.image().superblock().entries)
    }
}

/// Where the listing of a folder is.
struct Listing {
    path: Vec<u8>,
    list: List,
    /// How many names were given; the next is this one, if it did not fit in an answer.
    given: u64,
    next: Option<Entry>,
}

/// Beside `.` and `..`, which come first.
const DOTS: u64 = 2;

impl Listing {
    fn new(path: &[u8]) -> Self {
        Self { path: path.to_vec(), list: List::new(path), given: 0, next: None }
    }
}

impl Files {
    fn new<S: Source<Error = io::Error> + Send + Sync + 'static>(image: Image<S>, tell: Tell) -> Self {
        let owner = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let pool = Box::new(Pool::new(image, THREADS, CACHE));
        Self { pool, nodes: Mutex::default(), open: Mutex::default(), owner, tell }
    }

    /// The node with this number: one that the kernel holds, or the root.
    fn node(&self, ino: INodeNo) -> Result<Node, Errno> {
        if let Some(node) = locked(&self.nodes).get(ino.0) {
            return Ok(node.clone());
        }
        if ino != INodeNo::ROOT {
            return Err(Errno::ESTALE);
        }
        let entry = self.find(b"")?.ok_or_else(|| self.damaged(b"", "it has no root"))?;
        let node = Node::from(entry);
        locked(&self.nodes).keep_root(node.clone());
        Ok(node)
    }

    fn find(&self, path: &[u8]) -> Result<Option<Entry>, Errno> {
        self.pool.find(path).map_err(|error| self.damaged(path, &error))
    }

    fn damaged(&self, path: &[u8], error: &str) -> Errno {
        (self.tell)(format!("/{}: {error}", shown(path)));
        Errno::EIO
    }

    fn attributes(&self, node: &Node) -> FileAttr {
        let (kind, size) = match &node.kind {
            Kind::Directory => (FileType::Directory, 0),
            Kind::File(content) => (FileType::RegularFile, content.size),
            Kind::Symlink(target) => (FileType::Symlink, target.len() as u64),
        };
        let time = time(node.modified);
        FileAttr {
            ino: INodeNo(number(&node.path, node.link)),
            size,
            blocks: size.div_ceil(BLOCK),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind,
            perm: node.mode,
            // How many links there are is not recorded: two says that there are others.
            nlink: if node.link.is_some() || kind == FileType::Directory { 2 } else { 1 },
            uid: self.owner.0,
            gid: self.owner.1,
            rdev: 0,
            blksize: 64 << 10,
            flags: 0,
        }
    }

    fn look_up(&self, parent: INodeNo, name: &OsStr) -> Result<FileAttr, Errno> {
        let parent = self.node(parent)?;
        if parent.kind != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let path = joined(&parent.path, name.as_bytes());
        let node = Node::from(self.find(&path)?.ok_or(Errno::ENOENT)?);
        let attributes = self.attributes(&node);
        // Two paths with one hash: somebody has looked for them.
        if !locked(&self.nodes).hold(attributes.ino.0, node) {
            return Err(self.damaged(&path, "its inode has the number of another's"));
        }
        Ok(attributes)
    }

    fn read_file(&self, ino: INodeNo, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
        let node = self.node(ino)?;
        let Kind::File(content) = node.kind else { return Err(Errno::EISDIR) };
        let left = usize::try_from(content.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut buffer = vec![0; left.min(size.min(MOST) as usize)];
        self.pool.read(&content, offset, &mut buffer).map_err(|error| self.damaged(&node.path, &error))?;
        Ok(buffer)
    }

    fn list(&self, handle: FileHandle, offset: u64, reply: &mut ReplyDirectory) -> Result<(), Errno> {
        let mut open = locked(&self.open);
        let listing = open.get(handle.0).ok_or(Errno::EBADF)?;
        if offset < listing.given {
            *listing = Listing::new(&listing.path);
        }
        loop {
            let here = listing.given;
            let full = if here < DOTS {
                // Above the root is whatever the folder is in; the kernel knows.
                let up = listing.path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                let (path, name) = if here == 0 {
                    (listing.path.as_slice(), ".")
                } else {
                    (listing.path.get(..up).unwrap_or_default(), "..")
                };
                here >= offset && reply.add(INodeNo(number(path, None)), here + 1, FileType::Directory, name)
            } else {
                let entry = match listing.next.take() {
                    Some(entry) => entry,
                    None => match self.pool.next(&mut listing.list) {
                        Ok(Some(entry)) => entry,
                        Ok(None) => return Ok(()),
                        Err(error) => return Err(self.damaged(&listing.path, &error)),
                    },
                };
                let kind = match entry.kind {
                    Kind::Directory => FileType::Directory,
                    Kind::File(_) => FileType::RegularFile,
                    Kind::Symlink(_) => FileType::Symlink,
                };
                let name = OsStr::from_bytes(entry.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
                let full = here >= offset && reply.add(INodeNo(number(&entry.path, entry.link)), here + 1, kind, name);
                if full {
                    listing.next = Some(entry);
                }
                full
            };
            if full {
                return Ok(());
            }
            listing.given += 1;
        }
    }

    /// The entry itself, for what a node does not keep.
    fn entry(&self, ino: INodeNo) -> Result<Entry, Errno> {
        let path = self.node(ino)?.path;
        self.find(&path)?.ok_or(Errno::ENOENT)
    }
}

fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

/// A time as the system has it; one that it cannot have is its beginning.
fn time(time: docteur::Time) -> SystemTime {
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let whole = if time.seconds < 0 { UNIX_EPOCH.checked_sub(seconds) } else { UNIX_EPOCH.checked_add(seconds) };
    whole.and_then(|whole| whole.checked_add(Duration::from_nanos(time.nanoseconds.into()))).unwrap_or(UNIX_EPOCH)
}

/// An attribute's value, or its length where that is asked for.
fn attribute(reply: ReplyXattr, size: u32, value: &[u8]) {
    match u32::try_from(value.len()) {
        Ok(len) if size == 0 => reply.size(len),
        Ok(len) if len <= size => reply.data(value),
        _ => reply.error(Errno::ERANGE),
    }
}

impl Filesystem for Files {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.look_up(parent, name) {
            Ok(attributes) => reply.entry(&KEPT, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn forget(&self, _: &Request, ino: INodeNo, lookups: u64) {
        locked(&self.nodes).forget(ino.0, lookups);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.node(ino) {
            Ok(node) => reply.attr(&KEPT, &self.attributes(&node)),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.node(ino).map(|node| node.kind) {
            Ok(Kind::Symlink(target)) => reply.data(&target),
            Ok(_) => reply.error(Errno::EINVAL),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.read_file(ino, offset, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.node(ino) {
            Ok(node) => {
                let handle = locked(&self.open).put(Listing::new(&node.path));
                reply.opened(FileHandle(handle), FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE);
            }
            Err(error) => reply.error(error),
        }
    }

    fn readdir(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        match self.list(handle, offset, &mut reply) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        locked(&self.open).take(handle.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let (bytes, entries) = self.pool.totals();
        reply.statfs(bytes.div_ceil(BLOCK), 0, 0, entries, 0, BLOCK as u32, 255, BLOCK as u32);
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        match self.entry(ino) {
            Ok(entry) => match entry.attributes.iter().find(|attribute| attribute.name == name.as_bytes()) {
                Some(found) => attribute(reply, size, &found.value),
                None => reply.error(Errno::NO_XATTR),
            },
            Err(error) => reply.error(error),
        }
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        match self.entry(ino) {
            Ok(entry) => {
                let names = entry.attributes.iter().flat_map(|attribute| attribute.name.iter().copied().chain([0]));
                attribute(reply, size, &names.collect::<Vec<_>>());
            }
            Err(error) => reply.error(error),
        }
    }
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}
