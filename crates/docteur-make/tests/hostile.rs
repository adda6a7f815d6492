//! Damaged and hostile images end in an error, never in a wrong byte, a panic, or much memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod crafted;
mod support;

use std::convert::Infallible;

use crafted::{Block, crafted, crafted_of, entry, of_blocks};
use docteur::layout::{ROOTED, SUPERBLOCK, Stored};
use docteur::{Cache, Codec, Content, Defect, Encoding, Entry, Error, Image, Kind, Limits, Memory, Walk};
use docteur_make::{Change, Options, Trust};
use sha2::{Digest, Sha256};
use support::{Bytes, InMemory, build, file, small, with_a_base};

fn check(bytes: &[u8]) -> Result<[u8; 32], Error<Infallible>> {
    let image = Image::open(Memory(bytes), &Limits::default())?;
    image.verify(&mut Cache::new(0), |_, _| {})?;
    Ok(image.root())
}

/// The same superblock with some bytes changed, and a root that fits.
fn forged(image: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut image = image.to_vec();
    image[at..at + with.len()].copy_from_slice(with);
    let root = Sha256::digest(&image[..ROOTED]);
    image[ROOTED..SUPERBLOCK].copy_from_slice(&root);
    image
}

#[test]
fn every_bit_counts() {
    for image in [build(&small(), &Options { segment: 4096, ..Options::default() }), with_a_base()] {
        check(&image).unwrap();
        let mut flipped = image.clone();
        for bit in 0..image.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&flipped).is_err(), "bit {bit}");
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn what_is_built_in_is_read_without_its_hashes() {
    let read = |bytes: &[u8]| -> Result<Vec<u8>, Error<Infallible>> {
        let image = Image::open_built_in(Memory(bytes), &Limits::default())?;
        let (mut cache, mut walk, mut all) = (Cache::new(0), Walk::new(), Vec::new());
        while let Some(entry) = walk.next(&image, &mut Cache::new(0))? {
            if let Kind::File(content) = entry.kind {
                all.extend(image.read_all(&mut cache, &content, 1 << 20)?);
            }
        }
        Ok(all)
    };
    let image = build(&small(), &Options { segment: 4096, ..Options::default() });
    let whole = read(&image).unwrap();
    assert!(whole.len() > 4096);
    let mut others = 0;
    for byte in SUPERBLOCK..image.len() {
        let mut damaged = image.clone();
        damaged[byte] ^= 0x10;
        // An error or another byte: whatever it is, it comes to an end.
        others += usize::from(read(&damaged).is_ok_and(|all| all != whole));
    }
    assert!(others > 0, "no hash was compared");
}

#[test]
fn every_length_counts() {
    let image = build(&small(), &Options::default());
    for len in 0..image.len() {
        assert!(check(&image[..len]).is_err(), "{len} bytes");
    }
    let longer = [&image[..], b"\0"].concat();
    assert_eq!(check(&longer), Err(Error::Image { defect: Defect::Length, at: 16 }));
    assert_eq!(check(b"no image"), Err(Error::Image { defect: Defect::Magic, at: 0 }));
    let newer = forged(&image, 8, &[2]);
    assert_eq!(check(&newer), Err(Error::Image { defect: Defect::Version(2), at: 8 }));
}

#[test]
fn a_superblock_that_lies_under_a_right_root_is_refused() {
    let image = build(&small(), &Options { segment: 4096, ..Options::default() });
    for at in 8..ROOTED {
        for with in [0x00, 0x01, 0x40, 0x7F, 0x80, 0xFF] {
            if image[at] != with {
                let forged = forged(&image, at, &[with]);
                assert!(check(&forged).is_err(), "byte {at} as {with:#x}");
            }
        }
    }
}

#[test]
fn a_head_whose_paths_would_fill_the_memory_is_refused_before_they_are_made() {
    let folders = [&[b'a'; 255][..]; 15].join(&b"/"[..]);
    let path = |n: u32| if n == 0 { Vec::new() } else { [&folders[..], format!("/{n:06}").as_bytes()].concat() };
    let of = |bytes: &[u8], count| {
        let piece = Stored::of(Codec::Stored, bytes, bytes.len());
        let block = |n| Block { piece, bytes: bytes.to_vec(), entries: 1, first: path(n) };
        of_blocks(&(0..count).map(block).collect::<Vec<_>>())
    };
    let bomb = of(b"12345", 20_000);
    assert!(bomb.len() < 250_000, "{}", bomb.len());
    let refused = check(&bomb);
    assert!(matches!(refused, Err(Error::Memory { needed, .. }) if needed > 20_000 * 3_800), "{refused:?}");
    // It is the paths that are too many, not the blocks.
    assert!(Image::open(Memory(&bomb), &Limits::default().memory(128 << 20)).is_ok());
    // Nor is there a block of nothing, or of less than its records take.
    for bytes in [&b""[..], b"1234"] {
        assert!(matches!(check(&of(bytes, 10)), Err(Error::Image { defect: Defect::Head, .. })), "{bytes:?}");
    }
}

#[test]
fn what_opening_takes_is_known_to_the_byte() {
    let mut tree = InMemory::default();
    (0..2_000).for_each(|n| tree.add(file(format!("{n:0100}").as_bytes()), Vec::new()));
    let image = build(&tree, &Options { level: 1, ..Options::default() });
    let open = |memory| Image::open(Memory(&image), &Limits::default().memory(memory));
    let needed = |memory| match open(memory) {
        Err(Error::Memory { needed, limit }) if limit == memory => needed,
        other => panic!("{:?}", other.map(|image| image.root())),
    };
    let without_paths = needed(0);
    let all = needed(without_paths);
    assert_eq!(needed(all - 1), all);
    let opened = open(all).unwrap();
    let paths: usize = (0..opened.head().blocks().len()).map(|n| opened.head().path(n).len()).sum();
    assert!(paths > 0);
    assert_eq!(all - without_paths, paths as u64);
}

fn a_file(size: u64, segment: u32, offset: u32) -> Entry {
    entry(b"f", Kind::File(Content { size, segment, offset }))
}

#[test]
fn a_content_outside_of_the_segments_is_refused_when_it_is_read() {
    let root = entry(b"", Kind::Directory);
    check(&crafted(&[root.clone(), a_file(4, 0, 1)], 4, b"bytes")).unwrap();
    let lies = [(5, 0, 1), (1, 0, 5), (1, 1, 0), (1, u32::MAX, 0), (u64::MAX, 0, 0), (1 << 60, 0, 4), (1, 0, u32::MAX)];
    for (size, segment, offset) in lies {
        let file = a_file(size, segment, offset);
        let Kind::File(content) = file.kind else { panic!() };
        let image = crafted(&[root.clone(), file], size, b"bytes");
        assert!(check(&image).is_err(), "{content:?}");
        let image = Image::open(Memory(&image), &Limits::default()).unwrap();
        let read = image.read_all(&mut Cache::new(0), &content, usize::MAX);
        assert!(matches!(read, Err(Error::Image { .. })), "{content:?}");
    }
}

/// Unpacks into a folder that is gone afterwards.
fn unpack(image: &[u8], trust: Trust) -> Result<docteur_make::Extracted, docteur_make::Error> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image");
    std::fs::write(&file, image).unwrap();
    let image = Image::open(docteur::FileSource::open(&file).unwrap(), &Limits::default())?;
    docteur_make::extract(&image, &folder.path().join("out"), trust, |_| {})
}

#[test]
fn an_image_unpacks_to_no_more_than_it_may() {
    let image = build(&small(), &Options::default());
    let whole = unpack(&image, Trust::default()).unwrap();
    let exact = Trust { paths: whole.entries, bytes: whole.bytes, ..Trust::default() };
    assert_eq!(unpack(&image, exact).unwrap(), whole);
    for trust in [Trust { paths: exact.paths - 1, ..exact }, Trust { bytes: exact.bytes - 1, ..exact }] {
        assert!(matches!(unpack(&image, trust), Err(docteur_make::Error::TooMuch { .. })), "{trust:?}");
    }
}

#[test]
fn a_segment_that_decodes_to_more_or_less_than_it_says_is_refused() {
    let size = 3_u32 << 20;
    let frame = zstd::bulk::compress(&vec![7; size as usize], 19).unwrap();
    assert!(frame.len() < 1000 && frame[4] == 0xA0, "a single segment, its length in four bytes");
    let with = |said: u32, in_frame: u32| {
        let mut frame = frame.clone();
        frame[5..9].copy_from_slice(&in_frame.to_le_bytes());
        let piece = Stored::of(Codec::Zstd, &frame, said as usize);
        crafted_of(&[entry(b"", Kind::Directory), a_file(1000, 0, 0)], 1000, piece, &frame)
    };
    check(&with(size, size)).unwrap();
    for said in [1000, size - 1, size + 1, 8 << 20] {
        for in_frame in [size, said] {
            let refused = check(&with(said, in_frame));
            assert!(
                matches!(refused, Err(Error::Image { defect: Defect::Codec, .. })),
                "{said} {in_frame}: {refused:?}"
            );
        }
    }
    // A few bytes that stand for more than the caller allows: refused before any of them is decoded.
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap();
    let piece = Stored::of(Codec::Zstd, &bomb, 64 << 20);
    let image = crafted_of(&[entry(b"", Kind::Directory), a_file(1000, 0, 0)], 1000, piece, &bomb);
    assert!(image.len() < 20_000 && matches!(check(&image), Err(Error::Memory { needed, .. }) if needed > 128 << 20));
}

#[test]
fn hard_links_to_different_bytes_are_refused() {
    let linked = |path: &[u8], kind| Entry { link: Some(7), ..entry(path, kind) };
    let content = |size| Kind::File(Content { size, segment: 0, offset: 0 });
    let root = entry(b"", Kind::Directory);
    let same = [root.clone(), linked(b"a", content(4)), linked(b"b", content(4))];
    assert_eq!(unpack(&crafted(&same, 8, b"bytes"), Trust::default()).unwrap().bytes, 4);
    for other in [content(3), Kind::Symlink(b"a".to_vec())] {
        let lie = [root.clone(), linked(b"a", content(4)), linked(b"b", other)];
        let refused = unpack(&crafted(&lie, 7, b"bytes"), Trust::default()).unwrap_err();
        let docteur_make::Error::Image(Error::Image { defect, .. }) = refused else { panic!("{refused}") };
        assert_eq!(defect, Defect::Link);
    }
}

/// All that the command `docteur verify` does, where encodings may decode to `most` bytes.
fn verified(image: &[u8], most: u64) -> Result<(), docteur_make::Error> {
    docteur_make::verify(&Image::open(Bytes(image), &Limits::default())?, most, |_, _| {})
}

#[test]
fn hard_links_that_are_not_one_file_are_no_whole_image() {
    let linked = |path: &[u8]| Entry { link: Some(7), ..entry(path, a_file(4, 0, 0).kind) };
    let with = |other| {
        let entries = [entry(b"", Kind::Directory), linked(b"a"), entry(b"b", a_file(4, 0, 1).kind), other];
        verified(&crafted(&entries, 12, b"bytes"), 0)
    };
    with(linked(b"c")).unwrap();
    with(Entry { media_type: Some("text/plain".into()), ..linked(b"c") }).unwrap();
    let modified = docteur::Time { seconds: 1, nanoseconds: 0 };
    let attributes = vec![docteur::Attribute { name: b"user.a".to_vec(), value: Vec::new() }];
    for lie in [
        Entry { kind: a_file(4, 0, 1).kind, ..linked(b"c") },
        Entry { mode: 0o644, ..linked(b"c") },
        Entry { modified, ..linked(b"c") },
        Entry { attributes, ..linked(b"c") },
    ] {
        let told = with(lie.clone()).unwrap_err().to_string();
        assert!(told.starts_with("c is a hard link of another path, and has another"), "{lie:?}: {told}");
    }
    // Nor is such a one made.
    let mut tree = InMemory::default();
    tree.add(docteur_make::Node { link: Some(3), ..file(b"a") }, b"bytes".to_vec());
    tree.add(docteur_make::Node { link: Some(3), mode: 0o755, ..file(b"b") }, b"bytes".to_vec());
    let made =
        docteur_make::make(&tree, &Options::default(), &mut std::io::Cursor::new(Vec::new()), "x".as_ref(), |_| {});
    assert!(matches!(made, Err(docteur_make::Error::Linked(path)) if path == "b"));
}

#[test]
fn an_encoding_that_does_not_decode_to_its_file_is_no_whole_image() {
    use std::io::Write;

    let text = support::text(1, 300_000);
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let brotli = |text: &[u8], large_window| {
        let parameters = brotli::enc::BrotliEncoderParams { quality: 1, large_window, ..Default::default() };
        let mut out = Vec::new();
        brotli::BrotliCompress(&mut &*text, &mut out, &parameters).unwrap();
        out
    };
    let zstd = |text: &[u8], window| {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window).unwrap();
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let with = |which, encoded: &[u8], most| {
        let segment = [&text[..], encoded].concat();
        let content = Content { size: encoded.len() as u64, segment: 0, offset: text.len() as u32 };
        let page = Entry { encodings: vec![(which, content)], ..a_file(text.len() as u64, 0, 0) };
        verified(&crafted(&[entry(b"", Kind::Directory), page], text.len() as u64, &segment), most)
    };
    let (all, other) = (text.len() as u64, [&text[..200_000], b"evil", &text[200_004..]].concat());
    for (which, whole, lies) in [
        (Encoding::Gzip, gzip(&text), [gzip(&other), gzip(&text[..all as usize - 1]), text.clone()]),
        (Encoding::Brotli, brotli(&text, false), [brotli(&other, false), brotli(&text, true), Vec::new()]),
        (Encoding::Zstd, zstd(&text, 23), [zstd(&other, 23), zstd(&text, 24), zstd(&[&text[..], b"."].concat(), 23)]),
    ] {
        with(which, &whole, all).unwrap();
        let refused = with(which, &whole, all - 1);
        assert!(matches!(refused, Err(docteur_make::Error::TooMuch { limit, .. }) if limit == all - 1), "{refused:?}");
        for lie in lies.into_iter().chain([whole[..whole.len() - 1].to_vec()]) {
            let told = with(which, &lie, all).unwrap_err().to_string();
            assert!(told.contains("encoding of f does not decode to its content"), "{which:?}: {told}");
        }
    }
    for image in [build(&small(), &Options { web: true, ..Options::default() }), with_a_base()] {
        verified(&image, 1 << 30).unwrap();
    }
}

#[test]
fn encodings_of_something_else_are_a_difference() {
    let page = |bytes: &[u8], encodings: &[(Encoding, u32)]| {
        let content = |offset| Content { size: 4, segment: 0, offset };
        let encodings = encodings.iter().map(|(which, offset)| (*which, content(*offset))).collect();
        crafted(&[entry(b"", Kind::Directory), Entry { encodings, ..entry(b"page", Kind::File(content(0))) }], 4, bytes)
    };
    let differences = |a: &[u8], b: &[u8]| {
        let (a, b) = (Image::open(Bytes(a), &Limits::default()), Image::open(Bytes(b), &Limits::default()));
        let mut found = Vec::new();
        docteur_make::diff(&a.unwrap(), &b.unwrap(), |change| found.push(change)).unwrap();
        found
    };
    let a = page(b"goodGOODmore", &[(Encoding::Gzip, 4)]);
    // The same bytes in another place are no difference.
    assert_eq!(differences(&a, &page(b"good....GOOD", &[(Encoding::Gzip, 8)])), []);
    let changed = [Change::Changed(b"page".to_vec(), vec!["encodings"])];
    assert_eq!(differences(&a, &page(b"goodEVILmore", &[(Encoding::Gzip, 4)])), changed);
    assert_eq!(differences(&a, &page(b"goodGOODmore", &[(Encoding::Zstd, 4)])), changed);
    assert_eq!(differences(&a, &page(b"goodGOODmore", &[(Encoding::Zstd, 4), (Encoding::Gzip, 4)])), changed);
    assert_eq!(differences(&a, &page(b"goodGOODmore", &[])), changed);
}

#[test]
fn a_content_that_spans_more_segments_than_there_are_is_found_at_once() {
    let root = entry(b"", Kind::Directory);
    let image = crafted(&[root, a_file(5 * u64::from(u32::MAX), 0, 0)], 5 * u64::from(u32::MAX), b"bytes");
    assert!(matches!(check(&image), Err(Error::Image { defect: Defect::Content, .. })));
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    let root = entry(b"", Kind::Directory);
    let link = || entry(b"a", Kind::Symlink(b"/etc".to_vec()));
    for (what, entries) in [
        ("..", vec![root.clone(), entry(b"..", Kind::Directory)]),
        ("absolute", vec![root.clone(), entry(b"/etc", Kind::Directory)]),
        ("dots within", vec![root.clone(), entry(b"a", Kind::Directory), entry(b"a/../b", Kind::Directory)]),
        ("below a link", vec![root.clone(), link(), entry(b"a/b", Kind::Directory)]),
        ("below nothing", vec![root.clone(), entry(b"a/b", Kind::Directory)]),
        ("twice", vec![root.clone(), link(), link()]),
        ("disorder", vec![root.clone(), entry(b"b", Kind::Directory), link()]),
        ("no root", vec![link()]),
        ("a root that is a link", vec![entry(b"", Kind::Symlink(b"x".to_vec()))]),
        ("a link to nothing", vec![root, entry(b"a", Kind::Symlink(Vec::new()))]),
    ] {
        let image = crafted(&entries, 0, b"x");
        assert!(check(&image).is_err(), "{what}");
        let trust = Trust { attributes: true, ..Trust::default() };
        assert!(unpack(&image, trust).is_err(), "{what}");
    }
}

#[test]
fn a_base_that_is_too_large_is_refused_before_it_is_read() {
    let image = build(&small(), &Options::default());
    // A base of 48 MiB that is stored in one byte: over the bound, and over the image's length.
    let bomb = forged(&image, 40, &[1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0]);
    assert!(check(&bomb).is_err());
}
