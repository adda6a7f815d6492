//! `export-ignore`, as the tree's own `.gitattributes` have it (gitattributes(5)).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use gix::attrs::search::{MetadataCollection, Outcome};
use gix::attrs::{Search, StateRef};
use gix::bstr::ByteSlice;
use gix::glob::pattern::Case;

/// The patterns that hold where a walk is: the deeper a file of them, the more it has to say.
#[derive(Default)]
pub(super) struct Attributes {
    search: Search,
    names: MetadataCollection,
}

impl Attributes {
    /// Enters a folder that has such a file. Macros are defined by the topmost alone.
    pub(super) fn enter(&mut self, folder: &[u8], bytes: &[u8]) -> std::io::Result<()> {
        let file = Path::new(OsStr::from_bytes(folder)).join(".gitattributes");
        // Git passes over a byte order mark in a work tree, and not in a tree, where it is the beginning of a pattern. gitoxide always
        // does, and over those of UTF-16 and others, too, but only in the first line.
        let bytes = [b"\n", bytes].concat();
        self.search.add_patterns_buffer(&bytes, file, Some(Path::new("")), &mut self.names, folder.is_empty())
    }

    /// Leaves it.
    pub(super) fn leave(&mut self) {
        self.search.pop_pattern_list();
    }

    /// Whether the path at which the walk is has to be left out.
    pub(super) fn ignores(&self, path: &[u8], is_folder: bool) -> bool {
        if self.search.num_pattern_lists() == 0 {
            return false;
        }
        let mut outcome = Outcome::default();
        outcome.initialize_with_selection(&self.names, ["export-ignore"]);
        self.search.pattern_matching_relative_path(path.as_bstr(), Case::Sensitive, Some(is_folder), &mut outcome);
        outcome.iter_selected().any(|found| found.assignment.state == StateRef::Set)
    }
}
