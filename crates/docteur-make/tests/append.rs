//! New versions made out of older images: they hold what the tree does, and take over what did not change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod crafted;
mod support;

use std::collections::{BTreeMap, HashSet};
use std::io::Cursor;
use std::path::Path;

use crafted::{crafted, entry};
use docteur::{Cache, Content, Image, Kind, Limits, Walk};
use docteur_make::{Error, Options, append};
use proptest::prelude::*;
use support::{Bytes, InMemory, build, file, noise, small, text};

fn open(bytes: &[u8]) -> Image<Bytes<'_>> {
    Image::open(Bytes(bytes), &Limits::default()).unwrap()
}

fn onto(old: &[u8], tree: &InMemory, options: &Options) -> Result<Vec<u8>, Error> {
    let old = Image::open(Bytes(old), &Limits::default()).map_err(Error::from)?;
    let mut out = Cursor::new(Vec::new());
    append(tree, &old, options, &mut out, Path::new("new"), |_| {})?;
    Ok(out.into_inner())
}

/// The files of an image, all of which is checked.
fn files(bytes: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let (image, mut cache) = (open(bytes), Cache::new(1 << 20));
    image.verify(&mut cache, |_, _| {}).unwrap();
    let (mut walk, mut all) = (Walk::new(), BTreeMap::new());
    while let Some(entry) = walk.next(&image, &mut cache).unwrap() {
        if let Kind::File(content) = entry.kind {
            all.insert(entry.path, image.read_all(&mut cache, &content, 1 << 30).unwrap());
        }
    }
    all
}

fn wanted(tree: &InMemory) -> BTreeMap<Vec<u8>, Vec<u8>> {
    tree.map().into_iter().filter_map(|(path, (_, bytes))| Some((path, bytes?))).collect()
}

fn hashes(bytes: &[u8]) -> HashSet<[u8; 32]> {
    let (image, mut cache) = (open(bytes), Cache::new(0));
    (0..image.superblock().segments).map(|n| image.segment(&mut cache, n).unwrap().0.hash).collect()
}

/// Enough for a base, with files of each class and one that spans segments.
fn pages(from: u64) -> InMemory {
    let shared = text(1, 40_000);
    let mut tree = InMemory::default();
    for n in from..from + 300 {
        let page = [&shared[..], &text(n + 2, 16_000), &noise(n, 1_500)].concat();
        tree.add(file(format!("page-{n:03}").as_bytes()), page);
        tree.add(file(format!("short-{n:03}").as_bytes()), text(n + 1_000, 900));
    }
    tree.add(file(b"long"), [&noise(5, 700_000), &shared[..]].concat());
    tree
}

#[test]
fn what_did_not_change_is_the_same_image() {
    let options = Options { level: 1, segment: 256 << 10, base: 256 << 10, ..Options::default() };
    for (tree, options) in [(pages(0), &options), (small(), &options), (small(), &Options::default())] {
        let old = build(&tree, options);
        // Base and segments come from the older image, whatever is asked for now.
        let now = Options { base: 0, ..options.clone() };
        assert!(onto(&old, &tree, &now).unwrap() == old);
    }
}

#[test]
fn what_did_not_change_is_taken_over() {
    let options = Options { level: 1, segment: 256 << 10, base: 256 << 10, ..Options::default() };
    let old = build(&pages(0), &options);
    let mut tree = pages(0);
    tree.nodes.retain(|node| node.path != b"page-007" && node.path != b"short-100");
    tree.contents[20] = text(77, 30_000);
    let changed = tree.nodes.iter_mut().find(|node| node.path == b"page-010").unwrap();
    changed.kind = docteur_make::NodeKind::File { key: 20, size: 30_000 };
    tree.add(file(b"new"), text(78, 50_000));
    tree.add(file(b"new-long"), noise(79, 600_000));
    let new = onto(&old, &tree, &options).unwrap();
    assert!(files(&new) == wanted(&tree));
    let (before, after) = (hashes(&old), hashes(&new));
    assert!(before.intersection(&after).count() * 10 >= before.len() * 9, "most segments are taken over");
    assert_eq!(open(&old).superblock().base, open(&new).superblock().base);
    assert!(onto(&old, &tree, &Options { threads: 3, ..options.clone() }).unwrap() == new);
    // Once nothing is wanted any more, nothing of it stays.
    let other = pages(500);
    let new = onto(&old, &other, &options).unwrap();
    assert!(files(&new) == wanted(&other));
    assert!(before.intersection(&hashes(&new)).count() <= 4, "the long file's");
}

#[test]
fn a_damaged_image_is_told_and_never_taken_over() {
    let options = Options { level: 1, segment: 4096, threads: 1, ..Options::default() };
    let mut tree = small();
    let old = build(&tree, &options);
    tree.add(file(b"more"), text(9, 3_000));
    let right = onto(&old, &tree, &options).unwrap();
    let mut told = 0;
    for at in 0..old.len() {
        let mut damaged = old.clone();
        damaged[at] ^= 1 << (at % 8);
        match onto(&damaged, &tree, &options) {
            Ok(new) => assert!(new == right, "at {at}"),
            Err(error) => {
                assert!(matches!(error, Error::Image(_)), "at {at}: {error}");
                told += 1;
            }
        }
    }
    assert!(told > old.len() / 2);
}

#[test]
fn of_contents_that_overlap_one_is_looked_at() {
    let text = text(3, 5_000);
    let options = Options { level: 1, threads: 1, ..Options::default() };
    let content = |offset| Kind::File(Content { size: 4_900, segment: 0, offset });
    let root = entry(b"", Kind::Directory);
    let mut wanted_now = InMemory::default();
    wanted_now.add(file(b"b"), text[100..].to_vec());
    let alone = crafted(&[root.clone(), entry(b"b", content(100))], 4_900, &text);
    let overlapping = crafted(&[root, entry(b"a", content(0)), entry(b"b", content(100))], 9_800, &text);
    for (old, is_taken_over) in [(alone, true), (overlapping, false)] {
        let new = onto(&old, &wanted_now, &options).unwrap();
        assert!(files(&new) == wanted(&wanted_now));
        assert_eq!(!hashes(&old).is_disjoint(&hashes(&new)), is_taken_over);
    }
}

#[test]
fn an_older_image_asks_for_no_longer_segments_than_a_profile_does() {
    let options = Options { level: 1, segment: 16 << 20, threads: 2, ..Options::default() };
    let mut tree = InMemory::default();
    tree.add(file(b"long"), noise(1, 9 << 20));
    tree.add(file(b"longer"), noise(2, 10 << 20));
    let old = build(&tree, &options);
    let longest = |image: &[u8]| open(image).superblock().segment_max;
    assert!(longest(&old) > 8 << 20);
    let new = onto(&old, &tree, &Options { segment: 1 << 20, ..options.clone() }).unwrap();
    assert_eq!(longest(&new), 8 << 20);
    assert!(files(&new) == wanted(&tree));
    // Unless they are asked for.
    assert!(onto(&old, &tree, &options).unwrap() == old);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_onto_any_other_is_that_tree(
        old in files_of(), new in files_of(), segments in (4_096_u32..20_000, 4_096_u32..20_000),
    ) {
        let options = |segment| Options { level: 1, threads: 1, segment, ..Options::default() };
        let (old, new) = (tree(&old), tree(&new));
        let image = onto(&build(&old, &options(segments.0)), &new, &options(segments.1)).unwrap();
        prop_assert!(files(&image) == wanted(&new));
        let again = onto(&image, &old, &options(segments.0)).unwrap();
        prop_assert!(files(&again) == wanted(&old));
    }
}

/// Which contents, and how long; few different ones, so that trees have some in common.
fn files_of() -> impl Strategy<Value = Vec<(u64, usize)>> {
    let len = prop_oneof![Just(0_usize), Just(300), Just(5_000), Just(30_000), 0_usize..9_000];
    proptest::collection::vec((0_u64..6, len), 0..14)
}

fn tree(files: &[(u64, usize)]) -> InMemory {
    let mut tree = InMemory::default();
    for (n, (seed, len)) in files.iter().enumerate() {
        tree.add(file(format!("{n:02}").as_bytes()), [text(*seed, len / 2), noise(*seed, len.div_ceil(2))].concat());
    }
    tree
}
