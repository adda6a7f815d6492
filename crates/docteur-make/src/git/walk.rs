//! From a revision to its paths.

use std::collections::HashMap;

use docteur::layout::{MAX_PATH, is_path};
use docteur::{Metadata, Time};
use gix::objs::tree::EntryKind;
use gix::{ObjectId, Repository, ThreadSafeRepository};

use super::attributes::Attributes;
use super::commit::Commit;
use super::submodules::{Module, Modules};
use super::{GitOptions, of_thread};
use crate::error::show;
use crate::nodes::Nodes;
use crate::{Error, Node, NodeKind};

/// The longest `.gitattributes` or `.gitmodules`.
const RULES: u64 = 1 << 20;
/// How deep submodules may be in each other, and how many there may be: a history can have a submodule of itself.
const DEEPEST: usize = 16;
const SUBMODULES: usize = 1_000;

/// What a revision has.
#[derive(Default)]
pub(super) struct Found {
    pub(super) nodes: Nodes,
    pub(super) blobs: Vec<Blob>,
    pub(super) metadata: Metadata,
    /// The repository itself, and those of its submodules.
    pub(super) stores: Vec<ThreadSafeRepository>,
}

/// An object with a file's bytes, and which of the repositories has it.
#[derive(Clone, Copy)]
pub(super) struct Blob {
    pub(super) store: u32,
    pub(super) id: ObjectId,
    pub(super) size: u64,
}

/// Why a revision has no paths.
pub(super) enum Fault {
    Git(String),
    Other(Error),
}

impl From<gix::Error> for Fault {
    fn from(error: gix::Error) -> Self {
        Self::Git(error.to_string())
    }
}

/// Where a repository is from, and so where its submodules are.
#[derive(Clone)]
pub(super) enum Origin {
    /// This machine.
    Local,
    /// Elsewhere; it was fetched from this URL.
    #[cfg(feature = "remote")]
    Url(gix::Url),
}

/// A submodule that is wanted.
#[cfg_attr(not(feature = "remote"), allow(dead_code, reason = "only what is elsewhere is fetched, by its commit"))]
pub(super) struct Asked<'a> {
    /// The repository that it is in, and where that is from.
    pub(super) of: &'a Repository,
    pub(super) origin: &'a Origin,
    /// What `.gitmodules` say of it, and its path in that repository.
    pub(super) module: &'a Module,
    pub(super) path: &'a [u8],
    pub(super) id: ObjectId,
}

/// Finds a submodule's repository, and says where it is from. An [`Error::Git`] says why it cannot be had.
pub(super) type Open<'a> = dyn FnMut(&Asked<'_>) -> Result<(ThreadSafeRepository, Origin), Error> + 'a;

pub(super) fn walk(
    store: ThreadSafeRepository,
    origin: Origin,
    revision: &str,
    options: &GitOptions,
    open: &mut Open<'_>,
) -> Result<Found, Fault> {
    let repository = of_thread(&store);
    let object = repository.find_object(resolve(&repository, revision)?)?.peel_tags_to_end()?;
    let mut walk = Walk { found: Found::default(), options, left: options.paths, open };
    walk.found.stores.push(store);
    let (tree, time) = match object.kind {
        gix::objs::Kind::Commit => walk.commit(&object.into_commit())?,
        gix::objs::Kind::Tree => (object.id, Time::default()),
        kind => return Err(Fault::Git(format!("{revision} is a {kind}, neither a commit nor a tree"))),
    };
    walk.metadata("git.tree", tree.to_string());
    walk.tree(&mut Level::new(&repository, 0, origin, Vec::new(), time), tree, 0)?;
    Ok(walk.found)
}

fn read<'a>(commit: &'a gix::Commit<'_>) -> Result<Commit<'a>, Fault> {
    Commit::read(&commit.data).ok_or_else(|| Fault::Git(format!("the commit {} has no tree", commit.id)))
}

/// What `revision` names.
fn resolve(repository: &Repository, revision: &str) -> Result<ObjectId, Fault> {
    match repository.rev_parse_single(revision) {
        Ok(id) => Ok(id.detach()),
        Err(error) => abbreviated(repository, revision).ok_or_else(|| {
            let references = repository.config_snapshot().string("extensions.refStorage");
            if references.is_some_and(|references| references.eq_ignore_ascii_case(b"reftable")) {
                let way = "a whole id can be asked for, or git refs migrate --ref-format=files makes them files";
                return Fault::Git(format!(
                    "{revision}: its references are in a reftable, which is not read here: {way}"
                ));
            }
            error.into()
        }),
    }
}

/// The object of which an id begins so, if there is one and no other. `rev_parse_single` takes what is short for an id of SHA-1.
fn abbreviated(repository: &Repository, revision: &str) -> Option<ObjectId> {
    let digits = repository.object_hash().len_in_hex();
    let longest = ObjectId::from_hex(format!("{revision:0<digits$}").as_bytes()).ok()?;
    let prefix = gix::hash::Prefix::new(&longest, revision.len()).ok()?;
    repository.objects.lookup_prefix(prefix, None).ok()??.ok()
}

enum Step {
    Enter(Vec<u8>, ObjectId),
    /// A folder with attributes ends.
    Leave,
    /// Anything else.
    Entry(Vec<u8>, EntryKind, ObjectId),
}

/// A repository at a commit: the one that was asked for, or a submodule.
struct Level<'a> {
    repository: &'a Repository,
    /// Which of the repositories it is.
    store: usize,
    origin: Origin,
    /// The path of its root in the image.
    root: Vec<u8>,
    time: Time,
    /// The key of each object.
    keys: HashMap<ObjectId, u64>,
    attributes: Attributes,
    modules: Option<Modules>,
}

impl<'a> Level<'a> {
    fn new(repository: &'a Repository, store: usize, origin: Origin, root: Vec<u8>, time: Time) -> Self {
        let (keys, attributes, modules) = (HashMap::new(), Attributes::default(), None);
        Self { repository, store, origin, root, time, keys, attributes, modules }
    }

    /// A path of this repository as the image has it.
    fn whole(&self, path: &[u8]) -> Vec<u8> {
        if self.root.is_empty() { path.to_vec() } else { [&self.root, &b"/"[..], path].concat() }
    }
}

struct Walk<'a, 'f> {
    found: Found,
    options: &'a GitOptions,
    /// How many more paths there may be.
    left: u64,
    open: &'a mut Open<'f>,
}

impl Walk<'_, '_> {
    fn metadata(&mut self, key: &str, value: impl Into<Vec<u8>>) {
        self.found.metadata.0.insert(key.as_bytes().to_vec(), value.into());
    }

    fn commit(&mut self, commit: &gix::Commit<'_>) -> Result<(ObjectId, Time), Fault> {
        let all = read(commit)?;
        self.metadata("git.commit", commit.id.to_string());
        self.metadata("git.message", all.message);
        let others = [("git.author", all.author), ("git.committer", all.committer), ("git.encoding", all.encoding)];
        others.into_iter().for_each(|(key, value)| {
            if let Some(value) = value {
                self.metadata(key, value);
            }
        });
        Ok((all.tree, Time { seconds: all.seconds, nanoseconds: 0 }))
    }

    fn tree(&mut self, level: &mut Level<'_>, tree: ObjectId, depth: usize) -> Result<(), Fault> {
        let mut todo = vec![Step::Enter(Vec::new(), tree)];
        while let Some(step) = todo.pop() {
            match step {
                Step::Enter(path, id) => self.folder(level, path, id, &mut todo)?,
                Step::Leave => level.attributes.leave(),
                Step::Entry(path, EntryKind::Commit, id) => self.submodule(level, path, id, depth)?,
                Step::Entry(path, kind, id) => self.entry(level, path, kind, id)?,
            }
        }
        Ok(())
    }

    fn folder(
        &mut self,
        level: &mut Level<'_>,
        path: Vec<u8>,
        id: ObjectId,
        todo: &mut Vec<Step>,
    ) -> Result<(), Fault> {
        let repository = level.repository;
        let tree = repository.find_tree(id)?;
        let mut entries = tree.decode()?.entries;
        let rules = |name: &str, what| {
            let rules = entries.iter().find(|entry| entry.filename == name && entry.mode.is_blob());
            let Some(rules) = rules else { return Ok(None) };
            if repository.find_header(rules.oid)?.size() > RULES {
                return Err(Fault::Other(Error::TooMuch { what, limit: RULES }));
            }
            Ok(Some(std::mem::take(&mut repository.find_object(rules.oid)?.data)))
        };
        if path.is_empty()
            && self.options.submodules
            && let Some(bytes) = rules(".gitmodules", "the length of .gitmodules")?
        {
            level.modules = Some(Modules::read(&bytes).map_err(|told| Fault::Git(format!(".gitmodules: {told}")))?);
        }
        if let Some(bytes) = rules(".gitattributes", "the length of a .gitattributes")? {
            level.attributes.enter(&path, &bytes).map_err(|error| Fault::Git(error.to_string()))?;
            todo.push(Step::Leave);
        }
        let (what, limit) = ("the number of paths of a commit", self.options.paths);
        let left = self.left.checked_sub(entries.len() as u64);
        self.left = left.ok_or(Fault::Other(Error::TooMuch { what, limit }))?;
        // Git puts a folder where its name would be with a slash behind it. The last one is the first to be taken.
        entries.sort_by(|a, b| b.filename.cmp(a.filename));
        for entry in &entries {
            let below =
                if path.is_empty() { entry.filename.to_vec() } else { [&path, &b"/"[..], entry.filename].concat() };
            if below.is_empty() || !is_path(&level.whole(&below)) {
                return Err(Fault::Other(Error::Path(show(&level.whole(&below)))));
            }
            let kind = entry.mode.kind();
            if level.attributes.ignores(&below, matches!(kind, EntryKind::Tree | EntryKind::Commit)) {
                continue;
            }
            let id = entry.oid.to_owned();
            todo.push(match kind {
                EntryKind::Tree => Step::Enter(below, id),
                kind => Step::Entry(below, kind, id),
            });
        }
        if !path.is_empty() {
            self.push(level, &path, NodeKind::Directory, 0o755)?;
        }
        Ok(())
    }

    fn submodule(&mut self, level: &Level<'_>, path: Vec<u8>, id: ObjectId, depth: usize) -> Result<(), Fault> {
        let root = level.whole(&path);
        let key = [b"git.submodule.", root.as_slice()].concat();
        self.found.metadata.0.insert(key, id.to_string().into_bytes());
        self.push(level, &path, NodeKind::Directory, 0o755)?;
        if !self.options.submodules {
            return Ok(());
        }
        if depth == DEEPEST {
            let what = "the depth of submodules in submodules";
            return Err(Fault::Other(Error::TooMuch { what, limit: DEEPEST as u64 }));
        }
        if self.found.stores.len() > SUBMODULES {
            return Err(Fault::Other(Error::TooMuch { what: "the number of submodules", limit: SUBMODULES as u64 }));
        }
        let named = |told: String| Fault::Git(format!("the submodule {}: {told}", show(&root)));
        let module = level.modules.as_ref().and_then(|modules| modules.at(&path));
        let module = module.ok_or_else(|| named("it is not in .gitmodules".into()))?;
        let asked = Asked { of: level.repository, origin: &level.origin, module: &module, path: &path, id };
        let (store, origin) = (self.open)(&asked).map_err(|error| match error {
            Error::Git(place, told) => named(format!("{}: {told}", place.display())),
            other => Fault::Other(other),
        })?;
        let repository = of_thread(&store);
        let commit = repository.find_object(id).map_err(|error| named(error.to_string()))?;
        let commit = commit.try_into_commit().map_err(|error| named(error.to_string()))?;
        let all = read(&commit)?;
        let (tree, time) = (all.tree, Time { seconds: all.seconds, nanoseconds: 0 });
        let number = self.found.stores.len();
        self.found.stores.push(store);
        self.tree(&mut Level::new(&repository, number, origin, root, time), tree, depth + 1)
    }

    fn entry(&mut self, level: &mut Level<'_>, path: Vec<u8>, kind: EntryKind, id: ObjectId) -> Result<(), Fault> {
        if kind == EntryKind::Link {
            if level.repository.find_header(id)?.size() > MAX_PATH as u64 {
                let what = "the length of a symbolic link's target";
                return Err(Fault::Other(Error::TooMuch { what, limit: MAX_PATH as u64 }));
            }
            let target = std::mem::take(&mut level.repository.find_object(id)?.data);
            return self.push(level, &path, NodeKind::Symlink(target), 0o777);
        }
        let size = level.repository.find_header(id)?.size();
        let next = self.found.blobs.len() as u64;
        let key = *level.keys.entry(id).or_insert(next);
        if key == next {
            self.found.blobs.push(Blob { store: level.store as u32, id, size });
        }
        let mode = if kind == EntryKind::BlobExecutable { 0o755 } else { 0o644 };
        self.push(level, &path, NodeKind::File { key, size }, mode)
    }

    fn push(&mut self, level: &Level<'_>, path: &[u8], kind: NodeKind, mode: u16) -> Result<(), Fault> {
        let (path, modified, attributes) = (level.whole(path), level.time, Vec::new());
        let node = Node { path, kind, mode, modified, attributes, link: None, media_type: None };
        self.found.nodes.push(node).map_err(Fault::Other)
    }
}
