//! A commit of a Git repository as a tree.
//!
//! What is in an image depends on the commit alone: no configuration, index, work tree or clock is looked at. Contents are the objects'
//! own bytes, so that no line ending, filter or `export-subst` changes them.

mod attributes;
#[cfg(feature = "remote")]
mod bounded;
mod commit;
mod objects;
#[cfg(feature = "remote")]
mod remote;
mod submodules;
mod walk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use docteur::Metadata;
use gix::odb::pack::cache::lru::MemoryCappedHashmap;

use crate::nodes::Nodes;
use crate::{Error, Node, Tree};
use objects::Bytes;
use walk::{Asked, Blob, Found, Open, Origin};

/// Blobs of which a caller reads one piece after the other are kept decoded up to about this many bytes in memory, and so many in files.
const KEPT: usize = 32 << 20;
const KEPT_FILES: usize = 2;
/// Bytes of objects that a thread keeps decoded since others in a pack are told by their difference from them.
const DELTA_BASES: usize = 16 << 20;

/// Repositories that are kept open with such caches while no thread uses them.
const IDLE: usize = 16;

/// What is taken of a repository, and how much that may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GitOptions {
    /// Whether the contents of submodules are included. Of a local repository's, those that it has: nothing is fetched.
    pub submodules: bool,
    /// The most paths, those counted that are left out: a few small trees can lead to each other so that they stand for any number.
    pub paths: u64,
    /// The most bytes that are fetched, those of submodules included.
    pub fetched: u64,
    /// The longest that fetching may take, submodules included.
    pub time: Duration,
}

impl Default for GitOptions {
    /// No submodules, ten million paths, 4 GiB, an hour.
    fn default() -> Self {
        Self { submodules: false, paths: 10_000_000, fetched: 4 << 30, time: Duration::from_secs(3600) }
    }
}

/// The files of a commit, or of any tree: blobs with `0644` or `0755`, symbolic links, folders; the time of all is the committer's.
///
/// As in `git archive`, what `.gitattributes` in the tree say to `export-ignore` is left out, and a submodule is an empty folder;
/// [`Git::metadata`] has its commit. With [`GitOptions::submodules`] it holds what that commit has, with that commit's time.
pub struct Git {
    place: PathBuf,
    stores: Vec<gix::ThreadSafeRepository>,
    /// Repositories that no thread uses at the moment, by their number: each has caches of its own.
    idle: Mutex<Vec<(u32, gix::Repository)>>,
    nodes: Nodes,
    /// The object of each key.
    blobs: Vec<Blob>,
    metadata: Metadata,
    /// Blobs of which the last piece was not read yet, it may be; what was read last comes first.
    long: Mutex<Vec<(u64, Arc<Bytes>)>>,
    /// Held by whoever writes a long blob to a file, so that two threads do not write the same.
    writing: Mutex<()>,
    /// Where the repositories are, if they were fetched.
    #[cfg(feature = "remote")]
    _folder: Option<tempfile::TempDir>,
}

impl Git {
    /// Whether `path` is a repository, or says that it is one: a bare one that can be opened, or a folder with a `.git`, even one that is
    /// damaged or of a kind that is not known here.
    #[must_use]
    pub fn is_repository(path: &Path) -> bool {
        path.join(".git").symlink_metadata().is_ok() || gix::open_opts(path, options()).is_ok()
    }

    /// Looks at `revision` of the repository at `path`: a branch, a tag, a commit, or what else `git rev-parse` takes. It may name a tree,
    /// which has no time and no author.
    ///
    /// # Errors
    /// [`Error::Git`] if there is no such repository or revision, or an object is missing or damaged; [`Error::TooMuch`], [`Error::Path`].
    pub fn open(path: &Path, revision: &str, taken: &GitOptions) -> Result<Self, Error> {
        let repository = gix::ThreadSafeRepository::open_opts(path, options())
            .map_err(|error| Error::Git(path.to_path_buf(), error.to_string()))?;
        let mut submodule = |asked: &Asked<'_>| {
            let found = submodules::local(asked.of, asked.module, asked.path);
            let missing = "it is not here: git submodule update --init --recursive";
            found
                .map(|found| (found, Origin::Local))
                .ok_or_else(|| Error::Git(asked.of.common_dir().join("modules"), missing.into()))
        };
        Self::of(path.to_path_buf(), repository, Origin::Local, revision, taken, &mut submodule)
    }

    fn of(
        place: PathBuf,
        repository: gix::ThreadSafeRepository,
        origin: Origin,
        revision: &str,
        taken: &GitOptions,
        open: &mut Open<'_>,
    ) -> Result<Self, Error> {
        let Found { nodes, blobs, metadata, stores } =
            walk::walk(repository, origin, revision, taken, open).map_err(|fault| match fault {
                walk::Fault::Git(what) => Error::Git(place.clone(), what),
                walk::Fault::Other(error) => error,
            })?;
        Ok(Self {
            place,
            stores,
            idle: Mutex::default(),
            nodes,
            blobs,
            metadata,
            long: Mutex::default(),
            writing: Mutex::default(),
            #[cfg(feature = "remote")]
            _folder: None,
        })
    }

    /// What is known of the commit: the keys `git.*` of docs/docteur.md.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn blob(&self, blob: Blob) -> io::Result<Bytes> {
        let idle = {
            let mut idle = lock(&self.idle);
            idle.iter().position(|(store, _)| *store == blob.store).map(|at| idle.remove(at).1)
        };
        let store = || self.stores.get(blob.store as usize).map(of_thread).ok_or(io::ErrorKind::NotFound);
        let repository = idle.map_or_else(store, Ok)?;
        let found = bytes(&repository, blob);
        let mut idle = lock(&self.idle);
        idle.insert(0, (blob.store, repository));
        idle.truncate(IDLE);
        found
    }

    fn long_blob(&self, key: u64, blob: Blob) -> io::Result<Arc<Bytes>> {
        let kept = || lock(&self.long).iter().find(|(of, _)| *of == key).map(|(_, bytes)| Arc::clone(bytes));
        let _writing = (blob.size > objects::IN_MEMORY).then(|| lock(&self.writing));
        if let Some(bytes) = kept() {
            return Ok(bytes);
        }
        let bytes = Arc::new(self.blob(blob)?);
        let mut long = lock(&self.long);
        long.insert(0, (key, Arc::clone(&bytes)));
        let (mut sum, mut files) = (0, 0);
        long.retain(|(of, bytes)| {
            sum += bytes.in_memory();
            files += usize::from(matches!(**bytes, Bytes::File(..)));
            *of == key || (sum <= KEPT && files <= KEPT_FILES)
        });
        Ok(bytes)
    }
}

/// A short blob as gitoxide has it; what is long, or told by what is long, in a file.
fn bytes(repository: &gix::Repository, blob: Blob) -> io::Result<Bytes> {
    let mut failed = None;
    if blob.size <= objects::IN_MEMORY {
        match repository.find_object(blob.id) {
            Ok(mut object) => return Ok(Bytes::Memory(std::mem::take(&mut object.data))),
            Err(error) => failed = Some(error.to_string()),
        }
    }
    let missing = || io::Error::other(failed.unwrap_or_else(|| format!("the object {} is not there", blob.id)));
    objects::object(repository, blob.id)?.ok_or_else(missing)
}

impl Tree for Git {
    fn count(&self) -> usize {
        self.nodes.len()
    }

    fn node(&self, number: usize) -> Node {
        self.nodes.node(number)
    }

    fn read_at(&self, key: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let blob = usize::try_from(key).ok().and_then(|key| self.blobs.get(key));
        let blob = blob.copied().ok_or(io::ErrorKind::NotFound)?;
        // A file that is as long as what is asked for is asked for once a pass.
        let whole = blob.size == buffer.len() as u64;
        if whole {
            self.blob(blob)?.read_at(offset, buffer)
        } else {
            self.long_blob(key, blob)?.read_at(offset, buffer)
        }
    }
}

impl std::fmt::Debug for Git {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Git").field("place", &self.place).field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

/// A handle for one thread, which keeps what other objects of a pack are told by.
fn of_thread(repository: &gix::ThreadSafeRepository) -> gix::Repository {
    let mut repository = repository.to_thread_local();
    repository.objects.set_pack_cache(|| Box::new(MemoryCappedHashmap::new(DELTA_BASES)));
    repository
}

/// A commit is what its id says, whatever the repository would put in its place (`git replace`).
const NO_REPLACEMENTS: &str = "core.useReplaceRefs=false";

/// The most bytes that gitoxide takes for one object, and for one table about objects: one byte can say that there are any number. So
/// long may be what says the paths of one folder; blobs are read in other ways where they are longer.
const ALLOCATED: &str = "gitoxide.objects.allocLimit=67108864";

/// Nothing but the repository itself decides.
fn options() -> gix::open::Options {
    gix::open::Options::isolated().config_overrides([ALLOCATED, NO_REPLACEMENTS])
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
