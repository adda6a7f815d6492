//! The maker's own bytes: of a tree that is made here it makes an image with a root that is known, on every machine.
//!
//! A root is no promise between versions of the maker. Where a test here fails, the maker writes other bytes than it did: if nobody meant
//! that, it is a fault. If it comes of another version of an encoder (zstd, brotli, flate2) or of a change that is meant to, see that images
//! are not larger for it, enter the roots that the tests tell, and say in CHANGELOG.md that images differ. The images that
//! `docteur/tests/frozen.rs` reads are NOT made anew then: what an old maker wrote has to stay readable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../docteur/tests/frozen/expected.rs"]
mod expected;
mod support;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use docteur::{Attribute, FileSource, Image, Limits, Metadata, Time};
use docteur_make::{Node, NodeKind, Options, Profile, append, verify};
use expected::{Expected, What};
use support::{Bytes, InMemory, build, directory, file, noise, text};

/// The tree that is expected to come back.
fn tree(all: Vec<Expected>) -> InMemory {
    let mut tree = InMemory::default();
    for Expected { path, what, mode, time: (seconds, nanoseconds), attributes, link, media_type } in all {
        // A tree has them in any order.
        let attributes = attributes.into_iter().rev().map(|(name, value)| Attribute { name, value }).collect();
        // An image counts its groups of hard links, whatever their numbers are in the tree.
        let link = link.map(|link| 1_000 - 7 * link);
        let modified = Time { seconds, nanoseconds };
        let node = Node { path, kind: NodeKind::Directory, mode, modified, attributes, link, media_type };
        match what {
            What::Folder => tree.nodes.push(node),
            What::File(bytes) => tree.add(node, bytes),
            What::Link(target) => tree.nodes.push(Node { kind: NodeKind::Symlink(target), ..node }),
        }
    }
    tree
}

fn onto(old: &[u8], tree: &InMemory, options: &Options) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    append(tree, &Image::open(Bytes(old), &Limits::default()).unwrap(), options, &mut out, Path::new("new"), |_| {})
        .unwrap();
    out.into_inner()
}

/// The root of an image, which is whole, and is left in a file beside what is built.
fn root(name: &str, bytes: &[u8]) -> String {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&place, bytes).unwrap();
    let image = Image::open(Bytes(bytes), &Limits::default()).unwrap();
    verify(&image, 1 << 30, |_, _| {}).unwrap();
    image.root().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the reader alone cannot tell: that ready-made encodings decode to their files, and that hard links are one.
#[test]
fn frozen_images_are_whole() {
    for name in ["everything-1", "site-1", "nothing-1", "small-1", "base-1"] {
        let place = Path::new("../docteur/tests/frozen").join(name).with_extension("img");
        let image = Image::open(FileSource::open(&place).unwrap(), &Limits::default()).unwrap();
        verify(&image, 1 << 30, |_, _| {}).unwrap();
    }
}

/// With these bytes frozen images of format 1 were made.
#[test]
fn a_tree_of_all_that_there_is_has_this_root() {
    // Only much input gets a base, so it is taken over from a larger image.
    let mut much = InMemory::default();
    for n in 0..4_200_u64 {
        much.add(file(format!("{n}").as_bytes()), [&expected::shared()[..], n.to_string().as_bytes()].concat());
    }
    let metadata = expected::metadata().into_iter().map(|(key, value)| (key.as_bytes().to_vec(), value));
    let metadata = Metadata(metadata.collect());
    for threads in [1, 3] {
        let options = Options { threads, segment: 4_096, base: 4_096, ..Options::profile(Profile::FastRead) };
        let old = build(&much, &Options { level: 3, ..options.clone() });
        let made = onto(&old, &tree(expected::everything()), &Options { metadata: metadata.clone(), ..options });
        assert_eq!(
            root("everything.img", &made),
            "cd16a0c241bb574d5f91ef01e32128db7f98156c0bfe77a30f87c535df862598",
            "{threads}"
        );
    }
}

#[test]
fn a_site_has_this_root() {
    for threads in [1, 3] {
        let options = Options { web: true, threads, segment: 4_096, ..Options::profile(Profile::Default) };
        assert_eq!(
            root("site.img", &build(&tree(expected::site()), &options)),
            "80a196dc8abf70eda9827248002d6cf77714951dc9a6653406ff3e6854702eac",
            "{threads}"
        );
    }
}

/// Brotli weighs what it does by logarithms, which the C library of each machine may round in its own way: they come out of a table.
#[test]
fn long_pages_have_this_root() {
    let mut pages = InMemory::default();
    for n in 0..4 {
        pages.add(file(format!("{n}.html").as_bytes()), text(n, 20_000 << n));
    }
    let made = build(&pages, &Options::site());
    assert_eq!(root("long-pages.img", &made), "75e36e50930c98a1534b2632010ebb5b57cefda3e49904b580a9b5617a76a945");
}

#[test]
fn nothing_has_this_root() {
    let made = build(&tree(expected::nothing()), &Options::default());
    assert_eq!(root("nothing.img", &made), "f4d7707a05d8f2b46c8fd33aea784fe4c83bc7ddaac12d47ed2a997e9afdec5f");
}

/// With a base that is chosen, files of each class, and one in several segments.
#[test]
fn pages_have_these_roots() {
    let shared = text(1, 40_000);
    let mut pages = InMemory::default();
    pages.nodes.push(directory(b"pages"));
    for n in 0..300_u64 {
        let page = [&shared[..], &text(n + 2, 16_000), &noise(n, 1_500)].concat();
        pages.add(file(format!("pages/{n:03}").as_bytes()), page);
        pages.add(file(format!("short-{n:03}.txt").as_bytes()), text(n + 1_000, 900));
    }
    pages.add(file(b"long"), [&noise(5, 700_000), &shared[..]].concat());
    for (profile, is) in [
        (Profile::FastRead, "06f86cd3b559979bebc6442f48da131570761923ac8cba1c0bcc025786ef0e9f"),
        (Profile::Default, "7c51cb16795cd1235a6ef3ab300961cd88584fe931993a2ea1efc55dbaac7a43"),
        (Profile::Max, "3f8972b88cceca3b4a7a27b7db18eaa413d648856d896826ca5c442fa66b00a9"),
    ] {
        for threads in [1, 3] {
            let made = build(&pages, &Options { level: 4, threads, ..Options::profile(profile) });
            assert_eq!(root("pages.img", &made), is, "{profile:?} {threads}");
        }
    }
}
