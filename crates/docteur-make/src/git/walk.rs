//! From a revision to its paths.

use std::collections::HashMap;

use docteur::layout::{MAX_PATH, is_path};
use docteur::{Metadata, Time};
use gix::objs::tree::EntryKind;
use gix::{ObjectId, Repository};

use super::attributes::Attributes;
use crate::error::show;
use crate::{Error, Node, NodeKind};

/// The longest `.gitattributes`.
const ATTRIBUTES: u64 = 1 << 20;

/// What a revision has.
#[derive(Default)]
pub(super) struct Found {
    pub(super) nodes: Vec<Node>,
    pub(super) blobs: Vec<(ObjectId, u64)>,
    pub(super) metadata: Metadata,
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

enum Step {
    Enter(Vec<u8>, ObjectId),
    /// A folder with attributes ends.
    Leave,
    /// Anything else.
    Entry(Vec<u8>, EntryKind, ObjectId),
}

pub(super) fn walk(repository: &Repository, revision: &str, most: u64) -> Result<Found, Fault> {
    let object = repository.find_object(resolve(repository, revision)?)?.peel_tags_to_end()?;
    let mut walk = Walk {
        repository,
        found: Found::default(),
        time: Time::default(),
        keys: HashMap::new(),
        attributes: Attributes::default(),
        most,
        left: most,
    };
    let tree = match object.kind {
        gix::objs::Kind::Commit => walk.commit(&object.into_commit())?,
        gix::objs::Kind::Tree => object.id,
        kind => return Err(Fault::Git(format!("{revision} is a {kind}, neither a commit nor a tree"))),
    };
    walk.metadata("git.tree", tree.to_string());
    walk.tree(tree)?;
    Ok(walk.found)
}

/// What `revision` names.
fn resolve(repository: &Repository, revision: &str) -> Result<ObjectId, Fault> {
    match repository.rev_parse_single(revision) {
        Ok(id) => Ok(id.detach()),
        Err(error) => abbreviated(repository, revision).ok_or(error.into()),
    }
}

/// The object of which an id begins so, if there is one and no other. `rev_parse_single` takes what is short for an id of SHA-1.
fn abbreviated(repository: &Repository, revision: &str) -> Option<ObjectId> {
    let digits = repository.object_hash().len_in_hex();
    let longest = ObjectId::from_hex(format!("{revision:0<digits$}").as_bytes()).ok()?;
    let prefix = gix::hash::Prefix::new(&longest, revision.len()).ok()?;
    repository.objects.lookup_prefix(prefix, None).ok()??.ok()
}

struct Walk<'a> {
    repository: &'a Repository,
    found: Found,
    time: Time,
    /// The key of each object.
    keys: HashMap<ObjectId, u64>,
    attributes: Attributes,
    /// How many paths there may be, and how many more.
    most: u64,
    left: u64,
}

impl Walk<'_> {
    fn metadata(&mut self, key: &str, value: impl Into<Vec<u8>>) {
        self.found.metadata.0.insert(key.as_bytes().to_vec(), value.into());
    }

    fn commit(&mut self, commit: &gix::Commit<'_>) -> Result<ObjectId, Fault> {
        let all = commit.decode()?;
        self.time = Time { seconds: all.time()?.seconds, nanoseconds: 0 };
        self.metadata("git.commit", commit.id.to_string());
        self.metadata("git.author", all.author.to_vec());
        self.metadata("git.committer", all.committer.to_vec());
        self.metadata("git.message", all.message.to_vec());
        if let Some(encoding) = all.encoding {
            self.metadata("git.encoding", encoding.to_vec());
        }
        Ok(all.tree())
    }

    fn tree(&mut self, tree: ObjectId) -> Result<(), Fault> {
        let mut todo = vec![Step::Enter(Vec::new(), tree)];
        while let Some(step) = todo.pop() {
            match step {
                Step::Enter(path, id) => self.folder(path, id, &mut todo)?,
                Step::Leave => self.attributes.leave(),
                Step::Entry(path, kind, id) => self.entry(path, kind, id)?,
            }
        }
        Ok(())
    }

    fn folder(&mut self, path: Vec<u8>, id: ObjectId, todo: &mut Vec<Step>) -> Result<(), Fault> {
        let tree = self.repository.find_tree(id)?;
        let entries = tree.decode()?.entries;
        let rules = entries.iter().find(|entry| entry.filename == ".gitattributes" && entry.mode.is_blob());
        if let Some(rules) = rules {
            let size = self.repository.find_header(rules.oid)?.size();
            if size > ATTRIBUTES {
                let what = "the length of a .gitattributes";
                return Err(Fault::Other(Error::TooMuch { what, limit: ATTRIBUTES }));
            }
            let bytes = self.repository.find_object(rules.oid)?;
            self.attributes.enter(&path, &bytes.data).map_err(|error| Fault::Git(error.to_string()))?;
            todo.push(Step::Leave);
        }
        let (what, limit) = ("the number of paths of a commit", self.most);
        let left = self.left.checked_sub(entries.len() as u64);
        self.left = left.ok_or(Fault::Other(Error::TooMuch { what, limit }))?;
        // The last one is the first to be taken.
        for entry in entries.iter().rev() {
            let below =
                if path.is_empty() { entry.filename.to_vec() } else { [&path, &b"/"[..], entry.filename].concat() };
            if !is_path(&below) || below.is_empty() {
                return Err(Fault::Other(Error::Path(show(&below))));
            }
            let kind = entry.mode.kind();
            if self.attributes.ignores(&below, matches!(kind, EntryKind::Tree | EntryKind::Commit)) {
                continue;
            }
            let id = entry.oid.to_owned();
            todo.push(match kind {
                EntryKind::Tree => Step::Enter(below, id),
                kind => Step::Entry(below, kind, id),
            });
        }
        if !path.is_empty() {
            self.push(path, NodeKind::Directory, 0o755);
        }
        Ok(())
    }

    fn entry(&mut self, path: Vec<u8>, kind: EntryKind, id: ObjectId) -> Result<(), Fault> {
        match kind {
            EntryKind::Commit => {
                let key = [b"git.submodule.", path.as_slice()].concat();
                self.found.metadata.0.insert(key, id.to_string().into_bytes());
                self.push(path, NodeKind::Directory, 0o755);
            }
            EntryKind::Link => {
                if self.repository.find_header(id)?.size() > MAX_PATH as u64 {
                    let what = "the length of a symbolic link's target";
                    return Err(Fault::Other(Error::TooMuch { what, limit: MAX_PATH as u64 }));
                }
                let target = std::mem::take(&mut self.repository.find_object(id)?.data);
                self.push(path, NodeKind::Symlink(target), 0o777);
            }
            _ => {
                let size = self.repository.find_header(id)?.size();
                let next = self.found.blobs.len() as u64;
                let key = *self.keys.entry(id).or_insert(next);
                if key == next {
                    self.found.blobs.push((id, size));
                }
                let mode = if kind == EntryKind::BlobExecutable { 0o755 } else { 0o644 };
                self.push(path, NodeKind::File { key, size }, mode);
            }
        }
        Ok(())
    }

    fn push(&mut self, path: Vec<u8>, kind: NodeKind, mode: u16) {
        let (modified, attributes) = (self.time, Vec::new());
        self.found.nodes.push(Node { path, kind, mode, modified, attributes, link: None, media_type: None });
    }
}
