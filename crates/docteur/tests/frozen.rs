//! Images that an old release wrote stay readable, to the byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "frozen/expected.rs"]
mod expected;

use docteur::{Cache, Codec, Encoding, Error, Image, Keys, Kind, Limits, Memory, Time, Walk, What};
use expected::Expected;
use sha2::{Digest, Sha256};

/// Made by the first maker, as `docteur-make/tests/same.rs` shows. Their bytes are never changed.
const EVERYTHING: &[u8] = include_bytes!("frozen/everything-1.img");
const SITE: &[u8] = include_bytes!("frozen/site-1.img");
const NOTHING: &[u8] = include_bytes!("frozen/nothing-1.img");
const SMALL: &[u8] = include_bytes!("frozen/small-1.img");
const BASE: &[u8] = include_bytes!("frozen/base-1.img");

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(image: &Image<Memory<&[u8]>>, path: &str) -> Vec<u8> {
    let mut cache = Cache::new(0);
    let Kind::File(content) = image.find(&mut cache, path.as_bytes()).unwrap().unwrap().kind else { panic!("{path}") };
    image.read_all(&mut cache, &content, 1 << 20).unwrap()
}

#[test]
fn a_site_of_format_1() {
    let image = Image::open(Memory(SMALL), &Limits::default()).unwrap();
    assert_eq!(hex(image.root()), "aa6155e585af4060dba22d4cd07908f67aee4f56dcada0d6a3985c93080dfea0");
    image.verify(&mut Cache::new(0), |_, _| {}).unwrap();
    let page = image.find(&mut Cache::new(0), b"docs/index.html").unwrap().unwrap();
    assert_eq!(page.media_type.as_deref(), Some("text/html; charset=utf-8"));
    let encodings: Vec<_> = page.encodings.iter().map(|(encoding, _)| *encoding).collect();
    assert_eq!(encodings, [Encoding::Brotli, Encoding::Zstd, Encoding::Gzip]);
    let text = ["<!doctype html><title>frozen</title>", &"<p>This page does not change.</p>\n".repeat(40)].concat();
    assert_eq!(read(&image, "docs/index.html"), text.as_bytes());
    assert_eq!(read(&image, "docs/empty"), b"");
    let entry = |path: &str| image.find(&mut Cache::new(0), path.as_bytes()).unwrap().unwrap();
    assert_eq!(entry("link").kind, Kind::Symlink(b"docs/index.html".to_vec()));
    assert_eq!((entry("hello").mode, entry("docs/hard").link), (0o755, Some(0)));
}

#[test]
fn a_base_of_format_1() {
    let image = Image::open(Memory(BASE), &Limits::default()).unwrap();
    assert_eq!(hex(image.root()), "287bc4a318067f494e404dcd5ce81cedfd3c39fd44c1bfe02485b249994153e7");
    assert!(image.superblock().base.len > 0 && image.superblock().segments > 1);
    image.verify(&mut Cache::new(0), |_, _| {}).unwrap();
    assert_eq!(
        hex(Sha256::digest(read(&image, "page-123.html"))),
        "b980b0b44a162c872f2dff33e6670fd77fa56ce23801c3045c9b493b08fae562"
    );
}

#[test]
fn an_image_is_a_map() {
    let image = Image::open(Memory(SMALL), &Limits::default()).unwrap();
    let mut keys = Keys::new(&image, Cache::new(0), 2_000);
    let page = read(&image, "docs/index.html");
    assert_eq!(keys.value(b"docs/index.html").unwrap().as_ref(), Some(&page));
    assert_eq!(keys.what(b"docs/index.html").unwrap(), Some(What::Value(page.len() as u64)));
    assert_eq!(keys.part(b"docs/index.html", 9, 20).unwrap().as_deref(), Some(&page[9..29]));
    assert_eq!(
        keys.part(b"docs/index.html", page.len() as u64 - 3, 20).unwrap().as_deref(),
        Some(&page[page.len() - 3..])
    );
    assert_eq!(keys.part(b"docs/index.html", u64::MAX, 20).unwrap().as_deref(), Some(&b""[..]));
    assert_eq!(keys.value(b"docs/empty").unwrap().as_deref(), Some(&b""[..]));
    for none in [&b"docs"[..], b"link", b"nothing", b"/docs"] {
        assert_eq!(keys.value(none).unwrap(), None);
    }
    assert_eq!((keys.what(b"docs").unwrap(), keys.what(b"link").unwrap()), (Some(What::Folder), None));
    let names: Vec<_> = keys.list(b"docs").unwrap().into_iter().map(|(key, _)| key).collect();
    assert!(names.is_sorted() && names.contains(&b"docs/empty".to_vec()), "{names:?}");
    assert!(keys.list(b"").unwrap().contains(&(b"docs".to_vec(), What::Folder)));
    assert!(keys.modified(b"hello").unwrap().is_some() && keys.modified(b"nothing").unwrap().is_none());
    let mut few = Keys::new(&image, Cache::new(0), 10);
    assert!(matches!(few.list(b""), Err(docteur::Error::Size { limit: 10, .. })));
    let size = page.len() as u64;
    assert_eq!(few.value(b"docs/index.html").unwrap_err(), Error::Size { size, limit: 10 });
    assert_eq!(few.part(b"docs/index.html", 0, 11).unwrap_err(), Error::Size { size: 11, limit: 10 });
}

fn open(bytes: &'static [u8]) -> Image<Memory<&'static [u8]>> {
    let image = Image::open(Memory(bytes), &Limits::default()).unwrap();
    image.verify(&mut Cache::new(0), |_, _| {}).unwrap();
    image
}

/// That an image holds this and nothing else, in this order, whether it is gone through or looked up.
fn holds(image: &Image<Memory<&[u8]>>, expected: &[Expected]) {
    let (mut cache, mut walk) = (Cache::new(0), Walk::new());
    for Expected { path, what, mode, time: (seconds, nanoseconds), attributes, link, media_type } in expected {
        let name = path.escape_ascii().to_string();
        let entry = walk.next(image, &mut cache).unwrap().unwrap();
        assert_eq!(entry.path, *path, "{name}");
        assert_eq!(image.find(&mut cache, path).unwrap().as_ref(), Some(&entry), "{name}");
        match (what, &entry.kind) {
            (expected::What::Folder, Kind::Directory) => {}
            (expected::What::Link(target), Kind::Symlink(is)) => assert_eq!(target, is, "{name}"),
            (expected::What::File(bytes), Kind::File(content)) => {
                assert_eq!(content.size, bytes.len() as u64, "{name}");
                assert!(image.read_all(&mut cache, content, 1 << 20).unwrap() == *bytes, "{name}");
                let (at, mut part) = (bytes.len() * 2 / 3, [0; 5_000]);
                let len = image.read(&mut cache, content, at as u64, &mut part).unwrap();
                assert!(part[..len] == bytes[at..][..len] && len == (bytes.len() - at).min(5_000), "{name}");
            }
            (_, other) => panic!("{name} is {other:?}"),
        }
        assert_eq!(entry.mode, *mode, "{name}");
        assert_eq!(entry.modified, Time { seconds: *seconds, nanoseconds: *nanoseconds }, "{name}");
        let is: Vec<_> = entry.attributes.iter().map(|is| (is.name.clone(), is.value.clone())).collect();
        assert_eq!(is, *attributes, "{name}");
        assert_eq!(entry.link, *link, "{name}");
        assert_eq!(entry.media_type, *media_type, "{name}");
    }
    assert_eq!(walk.next(image, &mut cache).unwrap(), None);
    assert_eq!(image.superblock().entries, expected.len() as u64);
    let sizes = expected.iter().map(|of| if let expected::What::File(bytes) = &of.what { bytes.len() } else { 0 });
    assert_eq!(image.superblock().bytes, sizes.sum::<usize>() as u64);
}

/// How many segments there are of each codec: stored, compressed, compressed against the base.
fn codecs(image: &Image<Memory<&[u8]>>) -> [usize; 3] {
    let of = |n| image.segment(&mut Cache::new(0), n).unwrap().0.codec;
    let all: Vec<_> = (0..image.superblock().segments).map(of).collect();
    [Codec::Stored, Codec::Zstd, Codec::ZstdBase].map(|codec| all.iter().filter(|is| **is == codec).count())
}

/// The codecs of base, metadata and head, and of each index block.
fn pieces(image: &Image<Memory<&[u8]>>) -> ([Codec; 3], Vec<Codec>) {
    let superblock = image.superblock();
    let blocks = image.head().blocks().iter().map(|block| block.stored.codec).collect();
    ([superblock.base.codec, superblock.metadata.codec, superblock.head.codec], blocks)
}

#[test]
fn all_that_format_1_has() {
    let image = open(EVERYTHING);
    assert_eq!(hex(image.root()), "cd16a0c241bb574d5f91ef01e32128db7f98156c0bfe77a30f87c535df862598");
    holds(&image, &expected::everything());
    let metadata: Vec<_> = image.metadata().unwrap().0.into_iter().collect();
    let expected = expected::metadata().into_iter().map(|(key, value)| (key.as_bytes().to_vec(), value));
    assert_eq!(metadata, expected.collect::<Vec<_>>());
    // That it has what it is for: a base, three pages of segments, one of which is stored, and blocks whose first paths share much.
    assert_eq!(pieces(&image), ([Codec::Zstd; 3], vec![Codec::Zstd; 7]));
    assert_eq!((codecs(&image), image.head().pages().len()), ([1, 0, 136], 3));
    let first = |block| &image.head().path(block)[..413];
    assert!((1..7).all(|block| first(block) == first(1) && first(block).ends_with(b"/page-")));
}

/// The fields of the superblock that are numbers, where docs/docteur.md has them.
#[test]
fn a_superblock_of_format_1() {
    let u32_at = |at: usize| u32::from_le_bytes(EVERYTHING[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_le_bytes(EVERYTHING[at..at + 8].try_into().unwrap());
    assert_eq!((&EVERYTHING[..8], u32_at(8), u32_at(12)), (&b"docteur\0"[..], 1, 0));
    assert_eq!([16, 24, 32].map(u64_at), [20_865, 152, 301_031]);
    assert_eq!([40, 44, 48, 84, 88].map(u32_at), [1, 2_094, 4_003, 137, 4_096]);
    assert_eq!(([92, 100].map(u64_at), u32_at(108)), ([10_533, 1_717], 8_229));
    assert_eq!([112, 116, 120, 156, 160, 164].map(u32_at), [1, 213, 724, 1, 435, 816]);
    // Each part begins where the one before ends, and has its hash.
    let (base, metadata) = (256, 256 + 2_094 + 10_533 + 137 * 41 + 1_717);
    for (hash, at, len) in [(52, base, 2_094), (124, metadata, 213), (168, metadata + 213, 435)] {
        assert_eq!(EVERYTHING[hash..hash + 32], Sha256::digest(&EVERYTHING[at..at + len])[..], "{at}");
    }
    assert!(EVERYTHING.len() == metadata + 213 + 435 && EVERYTHING[200..224] == [0; 24]);
    assert_eq!(EVERYTHING[224..256], Sha256::digest(&EVERYTHING[..224])[..]);
}

#[test]
fn types_and_encodings_of_format_1() {
    let image = open(SITE);
    assert_eq!(hex(image.root()), "80a196dc8abf70eda9827248002d6cf77714951dc9a6653406ff3e6854702eac");
    holds(&image, &expected::site());
    assert_eq!(pieces(&image), ([Codec::Stored; 3], vec![Codec::Zstd]));
    assert_eq!((codecs(&image), image.head().pages().len()), ([1, 1, 0], 1));
    // What encoders made of the files; that it decodes to them is tested in docteur-make.
    let style = [
        (Encoding::Brotli, 32, "313b5c83b0ec883bb2f0656f710a799012ee62584dd2352126f3bee8d5d8eb9e"),
        (Encoding::Zstd, 37, "70bc7a175df32c1495af591b1ece7d7974c104cf99cbbcb3c294e752c094d222"),
        (Encoding::Gzip, 60, "3413eae5e186d97444c6d9354bab03afebd191c02b949bb85b5a05217ea28e81"),
    ];
    let index = [
        (Encoding::Brotli, 274, "1ec45577da18853413374ab7f3b0d0ee398894078f7870199ac34d8f8bafb259"),
        (Encoding::Zstd, 355, "9fe926fb83c182fb4b3700deef20c4dfcd16ad7d50644feedd9d528ea220b892"),
        (Encoding::Gzip, 481, "7fd27e7e7108262dde4837ec765586b69575523e0bebfe4ff01102ffa27c0a23"),
    ];
    let tiny = [(Encoding::Brotli, 18, "e9bbbef5710fc73309bfeee2d7c747129c49db2953d9d83b337f1bee1893602e")];
    for (path, encodings) in [
        ("a.css", &style[..]),
        ("b.css", &style),
        ("empty.txt", &[]),
        ("index.html", &index),
        ("noise", &[]),
        ("tiny.txt", &tiny),
    ] {
        let mut cache = Cache::new(0);
        let entry = image.find(&mut cache, path.as_bytes()).unwrap().unwrap();
        assert_eq!(entry.encodings.len(), encodings.len(), "{path}");
        for ((encoding, content), (is, size, hash)) in entry.encodings.iter().zip(encodings) {
            assert_eq!((encoding, content.size), (is, *size), "{path}");
            assert_eq!(
                hex(Sha256::digest(image.read_all(&mut cache, content, 1_000).unwrap())),
                *hash,
                "{path} {is:?}"
            );
        }
    }
}

#[test]
fn nothing_of_format_1() {
    let image = open(NOTHING);
    assert_eq!(hex(image.root()), "f4d7707a05d8f2b46c8fd33aea784fe4c83bc7ddaac12d47ed2a997e9afdec5f");
    holds(&image, &expected::nothing());
    assert_eq!(pieces(&image), ([Codec::Stored; 3], vec![Codec::Stored]));
    assert!(image.superblock().segments == 0 && image.head().pages().is_empty());
    assert!(image.metadata().unwrap().0.is_empty());
}
