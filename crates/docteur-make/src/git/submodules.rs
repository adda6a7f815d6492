//! Where a submodule's commit is: what `.gitmodules` say (gitmodules(5)), and the repositories that belong to a local one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use gix::bstr::ByteSlice;
use gix::{Repository, ThreadSafeRepository};

use super::options;
use crate::below::Below;

/// A commit's `.gitmodules`.
pub(super) struct Modules(gix::submodule::File);

/// A submodule as they have it.
pub(super) struct Module {
    pub(super) name: Vec<u8>,
    /// Where it is, as it is written there.
    #[cfg_attr(not(feature = "remote"), allow(dead_code, reason = "only what is elsewhere is fetched"))]
    pub(super) url: Option<Vec<u8>>,
}

impl Modules {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let none = gix::config::File::default();
        gix::submodule::File::from_bytes(bytes, None, &none).map(Self).map_err(|error| error.to_string())
    }

    /// The submodule at a path, if there is one.
    pub(super) fn at(&self, path: &[u8]) -> Option<Module> {
        let name = self.0.name_by_path(path.as_bstr())?;
        let url = self.0.config().string_by("submodule", Some(name), "url");
        Some(Module { name: name.to_vec(), url: url.map(|url| url.to_vec()) })
    }
}

/// The repository of a submodule of a local one: Git keeps it in `modules`, and left it in the work tree in the past.
pub(super) fn local(of: &Repository, module: &Module, path: &[u8]) -> Option<ThreadSafeRepository> {
    let inside = |within: &Path, name: &[u8]| {
        let name = Path::new(OsStr::from_bytes(name));
        // A name may lead nowhere else.
        let sound = name.components().all(|part| matches!(part, Component::Normal(_)));
        sound.then(|| within.join(name))
    };
    let kept = inside(&of.common_dir().join("modules"), &module.name);
    // Links in a work tree are some commit's, and may lead anywhere.
    let own = |folder: &&Path| Below::new(folder).is_ok_and(|below| below.folder(path).is_ok());
    let in_work_tree = of.workdir().filter(own).and_then(|folder| inside(folder, path));
    [kept, in_work_tree].into_iter().flatten().find_map(|place| ThreadSafeRepository::open_opts(place, options()).ok())
}

/// A submodule's URL, where one that begins with `./` or `../` is meant from the URL of the repository that it is in (git-submodule(1)).
/// `None` if it leads above that.
#[cfg(feature = "remote")]
pub(super) fn absolute(from: &[u8], url: &[u8]) -> Option<Vec<u8>> {
    let mut rest = url;
    if !rest.starts_with(b"./") && !rest.starts_with(b"../") {
        return Some(url.to_vec());
    }
    let (mut base, mut joint) = (from.strip_suffix(b"/").unwrap_or(from), b'/');
    loop {
        if let Some(below) = rest.strip_prefix(b"./") {
            rest = below;
        } else if let Some(below) = rest.strip_prefix(b"../") {
            let cut = base.rfind_byteset(if base.contains(&b'/') { b"/" } else { b":" })?;
            joint = *base.get(cut)?;
            base = base.get(..cut)?;
            rest = below;
            // What is left of `https://host` leads nowhere.
            if base.ends_with(b":/") || base.ends_with(b":") {
                return None;
            }
        } else {
            break;
        }
    }
    Some([base, &[joint], rest.strip_suffix(b"/").unwrap_or(rest)].concat())
}

#[cfg(all(test, feature = "remote"))]
mod tests {
    use super::*;

    #[test]
    fn relative_urls_are_meant_from_the_repository() {
        let of = |from: &str, url: &str| {
            absolute(from.as_bytes(), url.as_bytes()).map(|url| String::from_utf8(url).unwrap())
        };
        for (from, url, wanted) in [
            ("https://host/a/b.git", "../c.git", "https://host/a/c.git"),
            ("https://host/a/b.git/", "../../c", "https://host/c"),
            ("https://host/a/b.git", "./c/", "https://host/a/b.git/c"),
            ("user@host:a/b", "../c", "user@host:a/c"),
            ("user@host:b", "../c", "user@host:c"),
            ("https://host/a", "git://other/c", "git://other/c"),
        ] {
            assert_eq!(of(from, url).as_deref(), Some(wanted), "{from} {url}");
        }
        for (from, url) in [("https://host/a", "../../c"), ("https://host", "../c"), ("user@host:b", "../../c")] {
            assert_eq!(of(from, url), None, "{from} {url}");
        }
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        let place = tempfile::tempdir().unwrap();
        let new = |path: &str| {
            let folder = place.path().join(path);
            std::fs::create_dir_all(&folder).unwrap();
            gix::init_bare(folder).unwrap()
        };
        new("outside");
        let repository = new("inside");
        let named = |name: &[u8]| local(&repository, &Module { name: name.to_vec(), url: None }, b"x").is_some();
        assert!(!named(b"../../outside") && !named(place.path().join("outside").as_os_str().as_bytes()));
        new("inside/modules/a/b");
        assert!(named(b"a/b"));
        // Nor does a link that a commit has put into the work tree.
        let with_tree = gix::init(place.path().join("tree")).unwrap();
        let found = |path: &[u8]| local(&with_tree, &Module { name: b"none".to_vec(), url: None }, path).is_some();
        new("tree/there");
        std::os::unix::fs::symlink(place.path(), place.path().join("tree/link")).unwrap();
        assert!(found(b"there") && !found(b"link/outside") && !found(b"../outside"));
    }
}
