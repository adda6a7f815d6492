//! A commit of a Git repository as a tree.
//!
//! What is in an image depends on the commit alone: no configuration, index, work tree or clock is looked at. Contents are the objects'
//! own bytes, so that no line ending, filter or `export-subst` changes them.

mod attributes;
#[cfg(feature = "remote")]
mod remote;
mod walk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use docteur::Metadata;
use gix::ObjectId;
use gix::odb::pack::cache::lru::MemoryCappedHashmap;

use crate::{Error, Node, Tree};
use walk::Found;

/// Longer blobs, of which a caller reads one piece after the other, are kept decoded up to about this many bytes in all.
const KEPT: usize = 128 << 20;
/// Bytes of objects that a thread keeps decoded since others in a pack are told by their difference from them.
const DELTA_BASES: usize = 16 << 20;

/// The files of a commit, or of any tree: blobs with `0644` or `0755`, symbolic links, folders; the time of all is the committer's.
///
/// As in `git archive`, what `.gitattributes` in the tree say to `export-ignore` is left out, and a submodule is an
/// empty folder; [`Git::metadata`] has its commit.
pub struct Git {
    place: PathBuf,
    repository: gix::ThreadSafeRepository,
    /// Repositories that no thread uses at the moment: each has caches of its own.
    idle: Mutex<Vec<gix::Repository>>,
    nodes: Vec<Node>,
    /// The object of each key, and its bytes.
    blobs: Vec<(ObjectId, u64)>,
    metadata: Metadata,
    long: Mutex<Vec<(u64, Arc<Vec<u8>>)>>,
    /// Where the repository is, if it was fetched.
    #[cfg(feature = "remote")]
    _folder: Option<tempfile::TempDir>,
}

impl Git {
    /// Whether `path` is a repository: one with a work tree, or a bare one.
    #[must_use]
    pub fn is_repository(path: &Path) -> bool {
        gix::open_opts(path, options()).is_ok()
    }

    /// Looks at `revision` of the repository at `path`: a branch, a tag, a commit, or what else `git rev-parse` takes. It may name a tree,
    /// which has no time and no author. A few small trees can lead to each other so that they stand for any number of paths; it may be
    /// `most_paths`, those counted that are left out.
    ///
    /// # Errors
    /// [`Error::Git`] if there is no such repository or revision, or an object is missing or damaged; [`Error::TooMuch`], [`Error::Path`].
    pub fn open(path: &Path, revision: &str, most_paths: u64) -> Result<Self, Error> {
        let failed = |what: String| Error::Git(path.to_path_buf(), what);
        let repository = gix::ThreadSafeRepository::open_opts(path, options()).map_err(|e| failed(e.to_string()))?;
        let local = of_thread(&repository);
        let Found { nodes, blobs, metadata } =
            walk::walk(&local, revision, most_paths).map_err(|error| match error {
                walk::Fault::Git(what) => failed(what),
                walk::Fault::Other(error) => error,
            })?;
        let (idle, long) = (Mutex::new(vec![local]), Mutex::default());
        Ok(Self {
            place: path.to_path_buf(),
            repository,
            idle,
            nodes,
            blobs,
            metadata,
            long,
            #[cfg(feature = "remote")]
            _folder: None,
        })
    }

    /// What is known of the commit: the keys `git.*` of docs/docteur.md.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn blob(&self, id: ObjectId) -> io::Result<Vec<u8>> {
        let repository = lock(&self.idle).pop().unwrap_or_else(|| of_thread(&self.repository));
        let found = repository.find_object(id).map(|mut object| std::mem::take(&mut object.data));
        lock(&self.idle).push(repository);
        found.map_err(|error| io::Error::other(error.to_string()))
    }

    fn long_blob(&self, key: u64, id: ObjectId) -> io::Result<Arc<Vec<u8>>> {
        let kept = lock(&self.long).iter().find(|(of, _)| *of == key).map(|(_, bytes)| Arc::clone(bytes));
        if let Some(bytes) = kept {
            return Ok(bytes);
        }
        let bytes = Arc::new(self.blob(id)?);
        let mut long = lock(&self.long);
        long.insert(0, (key, Arc::clone(&bytes)));
        let mut sum = 0;
        long.retain(|(of, bytes)| {
            sum += bytes.len();
            *of == key || sum <= KEPT
        });
        Ok(bytes)
    }
}

impl Tree for Git {
    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn read_at(&self, key: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let blob = usize::try_from(key).ok().and_then(|key| self.blobs.get(key));
        let (id, size) = blob.copied().ok_or(io::ErrorKind::NotFound)?;
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let fill = |bytes: &[u8], buffer: &mut [u8]| {
            let part = bytes.get(offset..).and_then(|rest| rest.get(..buffer.len()));
            part.map(|part| buffer.copy_from_slice(part)).ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))
        };
        // A file that is as long as what is asked for is asked for once a pass.
        let whole = size == buffer.len() as u64;
        if whole { fill(&self.blob(id)?, buffer) } else { fill(&self.long_blob(key, id)?, buffer) }
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

/// Nothing but the repository itself decides.
fn options() -> gix::open::Options {
    gix::open::Options::isolated()
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
