//! Images that an old release wrote stay readable, to the byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use docteur::{Cache, Encoding, Error, Image, Keys, Kind, Limits, Memory, What};
use sha2::{Digest, Sha256};

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
