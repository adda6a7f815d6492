//! A file of 5 GiB: it comes back, and memory is bounded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs::{self, File};
use std::io;

use docteur::{Cache, FileSource, Image, Kind, Limits};
use docteur_make::{Node, NodeKind, Options, Tree, make};
use support::{file, noise};

const SIZE: u64 = (5 << 30) + 12_345;
const PAGE: usize = 4096;

/// Pages that have the same bytes but for their number, so that none can be taken for another.
struct Long(Vec<u8>);

impl Long {
    fn fill(&self, offset: u64, buffer: &mut [u8]) {
        let (mut page, mut skip) = (offset / PAGE as u64, (offset % PAGE as u64) as usize);
        let mut rest = buffer;
        while !rest.is_empty() {
            let len = rest.len().min(PAGE - skip);
            let (here, next) = rest.split_at_mut(len);
            here.copy_from_slice(&self.0[skip..skip + len]);
            for (at, byte) in page.to_le_bytes().into_iter().enumerate().skip(skip).take(len) {
                here[at - skip] = byte;
            }
            (rest, page, skip) = (next, page + 1, 0);
        }
    }
}

impl Tree for Long {
    fn count(&self) -> usize {
        1
    }

    fn node(&self, _: usize) -> Node {
        Node { kind: NodeKind::File { key: 0, size: SIZE }, ..file(b"long") }
    }

    fn read_at(&self, _: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.fill(offset, buffer);
        Ok(())
    }
}

#[test]
fn a_file_of_five_gibibytes_comes_back() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("image");
    let long = Long(noise(1, PAGE));
    let options = Options { level: 1, threads: 2, ..Options::default() };
    make(&long, &options, &mut File::create(&path).unwrap(), &path, |_| {}).unwrap();

    let image = Image::open(FileSource::open(&path).unwrap(), &Limits::default()).unwrap();
    assert!(image.superblock().image_len() < SIZE / 50, "{}", image.superblock().image_len());
    let mut cache = Cache::new(0);
    let Kind::File(content) = image.find(&mut cache, b"long").unwrap().unwrap().kind else { panic!() };
    assert_eq!(content.size, SIZE);
    let (mut offset, mut wanted) = (0, vec![0; 1 << 20]);
    while offset < SIZE {
        let piece = image.piece_of(&mut cache, &content, offset, 1 << 20).unwrap();
        long.fill(offset, &mut wanted[..piece.len()]);
        assert!(!piece.is_empty() && piece == &wanted[..piece.len()], "at {offset}");
        offset += piece.len() as u64;
    }
    // Anywhere, and back again.
    for offset in [SIZE - 5, 1 << 32, (4 << 30) - 3, 2 << 20, 0] {
        let (mut read, mut wanted) = ([0; 11], [0; 11]);
        let len = image.read(&mut cache, &content, offset, &mut read).unwrap();
        long.fill(offset, &mut wanted);
        assert_eq!((len, &read[..len]), ((SIZE - offset).min(11) as usize, &wanted[..len]), "at {offset}");
    }
    // To make it and to read it; this test is a process of its own.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak = peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10;
    assert!(peak < 512, "{peak} MiB");
}
