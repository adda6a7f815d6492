//! Very many files: they come back, and memory is bounded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;

use docteur::{Cache, Image, Kind, Limits, Memory, Walk};
use docteur_make::Options;
use support::{InMemory, build, directory, file, text};

#[test]
fn a_hundred_thousand_tiny_files_come_back() {
    let mut tree = InMemory::default();
    let content = |folder: u64, n: u64| text(folder * 1_000 + n, 20 + n as usize % 60);
    for folder in 0..100 {
        tree.nodes.push(directory(format!("{folder}").as_bytes()));
        for n in 0..1_000 {
            tree.add(file(format!("{folder}/file {n}").as_bytes()), content(folder, n));
        }
    }
    let image = build(&tree, &Options { level: 1, threads: 2, ..Options::default() });
    // The tree in memory included; this test is a process of its own.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak = peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10;
    assert!(peak < 512, "{peak} MiB");

    let image = Image::open(Memory(&image), &Limits::default()).unwrap();
    let (mut walk, mut cache, mut files) = (Walk::new(), Cache::new(8 << 20), 0);
    while let Some(entry) = walk.next(&image, &mut cache).unwrap() {
        let Kind::File(found) = entry.kind else { continue };
        let path = String::from_utf8(entry.path).unwrap();
        let (folder, n) = path.split_once("/file ").unwrap();
        let wanted = content(folder.parse().unwrap(), n.parse().unwrap());
        assert!(image.read_all(&mut cache, &found, 100).unwrap() == wanted, "{path}");
        files += 1;
    }
    assert_eq!(files, 100_000);
}
