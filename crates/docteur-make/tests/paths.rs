//! A million files, each with bytes of its own: what a path takes is bounded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{fs, io};

use docteur::Time;
use docteur_make::{Node, NodeKind, Options, Tree, append, make};

/// A thousand folders of a thousand files, of which nothing is kept.
struct Million;

impl Tree for Million {
    fn count(&self) -> usize {
        1_001_000
    }

    fn node(&self, number: usize) -> Node {
        let (folder, file) = (number / 1_001, number % 1_001);
        let (path, kind) = match file.checked_sub(1) {
            None => (format!("{folder:03}"), NodeKind::Directory),
            Some(file) => (format!("{folder:03}/{file:03}"), NodeKind::File { key: number as u64, size: 13 }),
        };
        let path = path.into_bytes();
        Node {
            path,
            kind,
            mode: 0o755,
            modified: Time::default(),
            attributes: Vec::new(),
            link: None,
            media_type: None,
        }
    }

    fn read_at(&self, key: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        // The last file has what the first has.
        let bytes = format!("{:013}", if key == 1_000_999 { 1 } else { key });
        let from = usize::try_from(offset).ok().and_then(|at| bytes.as_bytes().get(at..)?.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// The most KiB that this process, which is a test of its own, ever had.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_million_files_take_little_memory() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("image");
    let options = Options { level: 1, threads: 1, ..Options::default() };
    let made = make(&Million, &options, &mut fs::File::create(&path).unwrap(), &path, |_| {}).unwrap();
    // A context of zstd, a segment and the index's blocks are some 40 MB of it.
    assert!(peak() < 140_000, "{} KiB", peak());

    let image = docteur::Image::open(docteur::FileSource::open(&path).unwrap(), &docteur::Limits::default()).unwrap();
    assert_eq!((image.root(), image.superblock().entries), (made.root, 1_001_001));
    let mut cache = docteur::Cache::new(1 << 20);
    image.verify(&mut cache, |_, _| {}).unwrap();
    for number in [1, 500_501, 1_000_999] {
        let docteur::Kind::File(content) = image.find(&mut cache, &Million.node(number).path).unwrap().unwrap().kind
        else {
            panic!("{number} is a file");
        };
        let mut wanted = [0; 13];
        Million.read_at(number as u64, 0, &mut wanted).unwrap();
        assert_eq!(image.read_all(&mut cache, &content, 13).unwrap(), wanted);
    }

    // And out of an older image, whose contents have to be known.
    let again = place.path().join("again");
    let same = append(&Million, &image, &options, &mut fs::File::create(&again).unwrap(), &again, |_| {}).unwrap();
    assert_eq!(same.root, made.root);
    assert!(peak() < 200_000, "{} KiB", peak());
}
