//! What the maker writes the reader reads, from memory and from folders.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::io::Read;
use std::path::Path;

use docteur::{Cache, Encoding, Image, Kind, Limits, List, Memory, Walk};
use docteur_make::{Classes, Error, Options, Profile, Writer, make};
use proptest::prelude::*;
use support::{InMemory, build, file, folder, noise, small, text, with_a_base};

/// All entries' contents, with a cache of some size.
fn read(bytes: &[u8], budget: usize) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let image = Image::open(Memory(bytes), &Limits::default()).unwrap();
    let mut cache = Cache::new(budget);
    image.verify(&mut cache, |_, _| {}).unwrap();
    let (mut walk, mut all) = (Walk::new(), Vec::new());
    while let Some(entry) = walk.next(&image, &mut cache).unwrap() {
        let content = match &entry.kind {
            Kind::File(content) => Some(image.read_all(&mut cache, content, 1 << 30).unwrap()),
            _ => None,
        };
        all.push((entry.path, content));
    }
    all
}

#[test]
fn a_site_comes_back_with_types_and_encodings() {
    let page = b"<p>hello, hello, hello, hello</p>".repeat(40);
    let mut writer = Writer::new();
    writer.add("/index.html", "text/html; charset=utf-8", page.clone()).unwrap();
    writer.add("a/noise", "application/octet-stream", noise(7, 300)).unwrap();
    writer.add("/empty", "text/plain", Vec::new()).unwrap();
    let bytes = writer.finish().unwrap();
    let image = Image::open(Memory(&bytes), &Limits::default()).unwrap();
    let mut cache = Cache::new(0);
    let found = image.find(&mut cache, b"index.html").unwrap().unwrap();
    assert_eq!(found.media_type.as_deref(), Some("text/html; charset=utf-8"));
    let names: Vec<_> = found.encodings.iter().map(|(encoding, _)| *encoding).collect();
    assert_eq!(names, [Encoding::Brotli, Encoding::Zstd, Encoding::Gzip]);
    for (encoding, content) in found.encodings {
        let packed = image.read_all(&mut cache, &content, 1 << 20).unwrap();
        assert_eq!(decoded(encoding, &packed), page, "{encoding:?}");
    }
    let noise = image.find(&mut cache, b"a/noise").unwrap().unwrap();
    assert!(noise.encodings.is_empty(), "what does not shrink is stored once");
    let empty = image.find(&mut cache, b"empty").unwrap().unwrap();
    assert_eq!(empty.media_type.as_deref(), Some("text/plain"));
    for missing in [&b"nothing"[..], b"/index.html", b"a/noise/", b"zz"] {
        assert!(image.find(&mut cache, missing).unwrap().is_none());
    }
    let mut again = Writer::new();
    again.add("x", "text/plain", Vec::new()).unwrap();
    assert!(matches!(again.add("/x", "text/plain", Vec::new()), Err(Error::Twice(_))));
    assert!(matches!(again.add("a/../b", "text/plain", Vec::new()), Err(Error::Path(_))));
    again.add("x/y", "text/plain", Vec::new()).unwrap();
    assert!(again.finish().is_err(), "a file is no folder");
}

#[test]
fn threads_and_order_make_no_difference() {
    let mut tree = small();
    let options = |threads| Options { threads, segment: 4096, ..Options::default() };
    let one = build(&tree, &options(1));
    assert_eq!(build(&tree, &options(3)), one);
    tree.nodes.reverse();
    assert_eq!(build(&tree, &options(2)), one);
}

#[test]
fn a_base_is_made_used_and_the_same_every_time() {
    // Twenty megabytes of pages that share most of their text.
    let shared = text(1, 60_000);
    let mut tree = InMemory::default();
    for n in 0..300_u64 {
        let page = [&shared[..], &text(n + 2, 6_000), &noise(n, 1_500)].concat();
        tree.add(file(format!("page-{n:03}").as_bytes()), page);
    }
    let options = |threads| Options { threads, level: 3, segment: 256 << 10, base: 256 << 10, ..Options::default() };
    let bytes = build(&tree, &options(1));
    assert!(build(&tree, &options(2)) == bytes);
    let image = Image::open(Memory(&bytes), &Limits::default()).unwrap();
    assert!(image.superblock().base.len > 0);
    let without = build(&tree, &Options { base: 0, ..options(2) });
    assert!(bytes.len() < without.len() * 9 / 10, "{} and {} bytes", bytes.len(), without.len());
    let all = read(&bytes, 1 << 20);
    for (n, (path, content)) in all.iter().skip(1).enumerate() {
        assert_eq!(path, format!("page-{n:03}").as_bytes());
        assert!(content.as_ref() == Some(&tree.contents[n]));
    }
}

#[test]
fn a_profile_is_what_it_says() {
    // Pages of two thirds of 64 KiB, and a long one, with a base.
    let shared = text(1, 40_000);
    let mut tree = InMemory::default();
    for n in 0..450_u64 {
        tree.add(file(format!("page-{n:03}").as_bytes()), [&shared[..], &text(n + 2, 4_000), &noise(n, 500)].concat());
    }
    tree.add(file(b"long"), noise(999, 9_000_000));
    let made = [Profile::FastRead, Profile::Default, Profile::Max].map(|profile| {
        let options = Options { level: 1, threads: 2, ..Options::profile(profile) };
        let bytes = build(&tree, &options);
        let image = Image::open(Memory(&bytes), &Limits::default()).unwrap();
        let (superblock, mut cache) = (*image.superblock(), Cache::new(0));
        assert!(superblock.segment_max == options.segment && superblock.base.len > 0, "{profile:?}");
        let Kind::File(content) = image.find(&mut cache, b"page-200").unwrap().unwrap().kind else { panic!() };
        let of_page = image.segment(&mut cache, content.segment).unwrap().0.len;
        assert!(image.read_all(&mut cache, &content, 1 << 20).unwrap() == tree.contents[200]);
        (superblock.segment_max, of_page, bytes.len())
    });
    assert_eq!(made.map(|(longest, ..)| longest), [512 << 10, 2 << 20, 8 << 20]);
    // A page is beside few others, but in the smallest image beside all.
    let [fast, default, max] = made.map(|(_, of_page, _)| of_page);
    assert!(fast <= 160 << 10 && (fast..=640 << 10).contains(&default) && max > 2 << 20, "{fast} {default} {max}");
    let [fast, default, max] = made.map(|(.., len)| len);
    assert!(fast > default && default > max, "{fast} {default} {max}");
}

#[test]
fn short_files_that_share_little_are_beside_many() {
    // Of each page the base has a quarter.
    let shared = text(1, 10_000);
    let mut tree = InMemory::default();
    for n in 0..450_u64 {
        tree.add(file(format!("page-{n:03}").as_bytes()), [&shared[..], &noise(n, 30_000)].concat());
    }
    let segment = |classes| {
        let bytes = build(&tree, &Options { level: 1, threads: 2, classes, ..Options::default() });
        let image = Image::open(Memory(&bytes), &Limits::default()).unwrap();
        assert!(image.superblock().base.len > 0, "{classes:?}");
        let (mut cache, longest) = (Cache::new(0), image.superblock().segment_max);
        let Kind::File(content) = image.find(&mut cache, b"page-200").unwrap().unwrap().kind else { panic!() };
        assert!(image.read_all(&mut cache, &content, 1 << 20).unwrap() == tree.contents[200]);
        longest
    };
    let [never, covered, always] = [Classes::Never, Classes::Covered, Classes::Always].map(segment);
    assert!(never > 1 << 20 && covered == never && always <= 640 << 10, "{never} {covered} {always}");
}

#[test]
fn a_long_file_spans_segments_and_is_read_anywhere() {
    let mut tree = InMemory::default();
    tree.add(file(b"a"), text(3, 1_000));
    let long = [text(4, 30_000), noise(5, 9_000)].concat();
    tree.add(file(b"long"), long.clone());
    tree.add(file(b"twin"), long.clone());
    let bytes = build(&tree, &Options { segment: 4096, ..Options::default() });
    assert!(bytes.len() < 30_000, "a twin is stored once");
    let image = Image::open(Memory(&bytes), &Limits::default()).unwrap();
    let mut cache = Cache::new(0);
    let Kind::File(content) = image.find(&mut cache, b"long").unwrap().unwrap().kind else { panic!() };
    for (offset, len) in [(0, 1), (4095, 2), (8192, 4096), (100, 38_900), (38_999, 5), (39_000, 5), (50_000, 1)] {
        let mut buffer = vec![0; len];
        let done = image.read(&mut cache, &content, offset as u64, &mut buffer).unwrap();
        let expected = long.get(offset..).unwrap_or_default();
        assert_eq!(&buffer[..done], &expected[..len.min(expected.len())], "at {offset}");
    }
    assert!(matches!(
        image.read_all(&mut cache, &content, 38_999),
        Err(docteur::Error::Size { size: 39_000, limit: 38_999 })
    ));
}

#[test]
fn what_an_image_cannot_hold_is_refused() {
    let refused = |change: fn(&mut InMemory)| {
        let mut tree = small();
        change(&mut tree);
        make(&tree, &Options::default(), &mut std::io::Cursor::new(Vec::new()), Path::new("x"), |_| {}).unwrap_err()
    };
    assert!(matches!(refused(|tree| tree.nodes.push(tree.nodes[1].clone())), Error::Twice(_)));
    assert!(matches!(refused(|tree| tree.nodes[1].path = b"no/where".to_vec()), Error::Parent(_)));
    assert!(matches!(refused(|tree| tree.nodes[1].path = b"..".to_vec()), Error::Path(_)));
    assert!(matches!(refused(|tree| tree.nodes[1].media_type = Some("x".into())), Error::MediaType(_)));
    assert!(matches!(refused(|tree| tree.contents[0].truncate(3)), Error::Io(..)));
    // That the metadata are too long is told before a file is read.
    let mut unread = small();
    unread.contents.clear();
    let mut options = Options::default();
    options.metadata.0.insert(b"git.message".to_vec(), vec![b'a'; 1 << 20]);
    let told = make(&unread, &options, &mut std::io::Cursor::new(Vec::new()), Path::new("x"), |_| {}).unwrap_err();
    assert!(told.to_string().contains("metadata"), "{told}");
}

#[test]
fn an_image_takes_no_more_memory_than_is_allowed() {
    let bytes = build(&small(), &Options::default());
    let refused = Image::open(Memory(&bytes), &Limits::default().memory(1000)).unwrap_err();
    assert!(matches!(refused, docteur::Error::Memory { needed, limit: 1000 } if needed > 1000));
}

#[test]
fn an_image_with_a_base_is_the_same_with_every_cache() {
    let bytes = with_a_base();
    let image = Image::open(Memory(&bytes), &Limits::default()).unwrap();
    let expected = small().map();
    for budget in (0..50_000).step_by(83) {
        let (mut cache, mut walk, mut seen) = (Cache::new(budget), Walk::new(), 0);
        while let Some(entry) = walk.next(&image, &mut cache).unwrap() {
            let content = &expected[&entry.path].1;
            seen += 1;
            let Kind::File(of) = &entry.kind else { continue };
            assert!(image.read_all(&mut cache, of, 1 << 20).unwrap() == *content.as_ref().unwrap(), "{budget}");
            for (encoding, of) in &entry.encodings {
                let packed = image.read_all(&mut cache, of, 1 << 20).unwrap();
                assert!(decoded(*encoding, &packed) == *content.as_ref().unwrap(), "{budget} {encoding:?}");
            }
        }
        assert_eq!(seen, expected.len());
    }
}

fn decoded(encoding: Encoding, packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match encoding {
        Encoding::Brotli => brotli::BrotliDecompress(&mut &*packed, &mut plain).unwrap(),
        Encoding::Gzip => assert!(flate2::read::GzDecoder::new(packed).read_to_end(&mut plain).is_ok()),
        _ => plain = zstd::stream::decode_all(packed).unwrap(),
    }
    plain
}

/// Trees of folders, files of a few words, and links, with names of any bytes.
fn trees() -> impl Strategy<Value = InMemory> {
    let name = proptest::collection::vec(
        any::<u8>().prop_map(|byte| if matches!(byte, 0 | b'/' | b'.') { b'_' } else { byte }),
        1..6,
    );
    let path = proptest::collection::vec(name, 1..4);
    let node = (path, 0..4_u8, 0..5_000_usize, any::<u64>(), any::<i64>(), 0..0o10000_u16);
    proptest::collection::vec(node, 0..40).prop_map(|nodes| {
        let mut tree = InMemory::default();
        for (path, kind, len, seed, time, mode) in nodes {
            tree.grow(&path.join(&b'/'), kind, len, seed % 50, time, mode);
        }
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_reader_is_a_map_with_every_cache(tree in trees(), budget in 0..60_000_usize, segment in 4096..9000_u32) {
        let bytes = build(&tree, &Options { segment, threads: 1, level: 3, ..Options::default() });
        let expected = tree.map();
        let all = read(&bytes, budget);
        prop_assert_eq!(all.len(), expected.len());
        let image = Image::open(Memory(&bytes), &Limits::default()).unwrap();
        let mut cache = Cache::new(budget);
        for (path, content) in &all {
            let (node, bytes) = &expected[path];
            prop_assert_eq!(content.as_deref(), bytes.as_deref());
            let entry = image.find(&mut cache, path).unwrap().unwrap();
            prop_assert_eq!((entry.mode, entry.modified), (node.mode, node.modified));
            let mut list = List::new(path);
            let mut below = Vec::new();
            while let Some(entry) = list.next(&image, &mut cache).unwrap() {
                below.push(entry.path);
            }
            let mut children: Vec<_> = expected.keys().filter(|other| folder(other) == Some(&path[..])).cloned().collect();
            children.sort_by(|a, b| docteur::layout::order(a, b));
            prop_assert_eq!(below, children);
        }
    }
}
