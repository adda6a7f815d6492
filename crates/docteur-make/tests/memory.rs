//! Small images that stand for much: to unpack and to compare them takes little memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod crafted;
mod support;

use std::fs;

use crafted::{Block, entry, of_blocks};
use docteur::layout::RecordWriter;
use docteur::{Attribute, Content, Entry, Image, Kind, Limits};
use docteur_make::{Change, Trust, diff, extract};
use support::Bytes;

/// Blocks of some entries each.
fn image(entries: impl Iterator<Item = Entry>, each: u32) -> Vec<u8> {
    let (mut blocks, mut records, mut first) = (Vec::new(), RecordWriter::default(), Vec::new());
    for entry in entries {
        if records.entries() == each {
            blocks.push(Block::of(&std::mem::take(&mut records), &first));
        }
        if records.entries() == 0 {
            first.clone_from(&entry.path);
        }
        records.push(&entry);
    }
    blocks.push(Block::of(&records, &first));
    of_blocks(&blocks)
}

fn open(bytes: &[u8]) -> Image<Bytes<'_>> {
    Image::open(Bytes(bytes), &Limits::default()).unwrap()
}

/// The most MiB that this process, which is a test of its own, ever had.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}

#[test]
fn what_a_small_image_stands_for_is_not_held_in_memory() {
    let root = || std::iter::once(entry(b"", Kind::Directory));
    // 240 MB of groups of hard links with one path each.
    let folders: Vec<Vec<u8>> = (1..=15).map(|depth| [&[b'a'; 255][..]].repeat(depth).join(&b"/"[..])).collect();
    let linked = |group: u64| {
        let path = [folders.last().unwrap(), format!("/{group:08}").as_bytes()].concat();
        Entry { link: Some(group), ..entry(&path, Kind::File(Content::default())) }
    };
    let above = folders.iter().map(|path| entry(path, Kind::Directory));
    let links = image(root().chain(above).chain((0..60_000).map(linked)), 1_000);
    assert!(links.len() < 500_000, "{}", links.len());
    let mut found = Vec::new();
    diff(&open(&links), &open(&links), |change| found.push(change)).unwrap();
    assert_eq!(found, [] as [Change; 0]);
    assert!(peak() < 64, "{} MiB after a comparison", peak());

    // 200 MB of attributes, which an image that is not trusted does not get: a system may have no room for so many.
    let noted = |n: u32| {
        let attributes = vec![Attribute { name: b"trusted.note".to_vec(), value: vec![0; 65_500] }];
        let kind = if n.is_multiple_of(2) { Kind::Directory } else { Kind::File(Content::default()) };
        Entry { attributes, ..entry(format!("{n:08}").as_bytes(), kind) }
    };
    let attributes = image(root().chain((0..3_000).map(noted)), 3);
    assert!(attributes.len() < 500_000, "{}", attributes.len());
    let place = tempfile::tempdir().unwrap();
    let out = extract(&open(&attributes), &place.path().join("out"), Trust::default(), |_| {}).unwrap();
    assert_eq!((out.entries, out.left_out), (3_001, 3_000));
    assert!(peak() < 64, "{} MiB after unpacking", peak());
}
