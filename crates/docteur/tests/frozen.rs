//! Images that an old release wrote stay readable, to the byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use docteur::{Cache, Encoding, Image, Kind, Limits, Memory};
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
