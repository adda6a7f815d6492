//! Folders, there and back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use docteur::{FileSource, Image, Limits};
use docteur_make::{Change, Error, Folder, Options, Times, Trust, diff, extract, image_of_folder, make};
use support::{fill, text};

fn write(folder: &Path, image: &Path, options: &Options) {
    let tree = Folder::scan(folder, true).unwrap();
    make(&tree, options, &mut File::create(image).unwrap(), image, |_| {}).unwrap();
}

fn open(path: &Path) -> Image<FileSource> {
    Image::open(FileSource::open(path).unwrap(), &Limits::default()).unwrap()
}

fn changes(a: &Path, b: &Path) -> Vec<Change> {
    let mut all = Vec::new();
    diff(&open(a), &open(b), |change| all.push(change)).unwrap();
    all
}

#[test]
fn a_folder_comes_back_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fill(&at("a"));
    let user = rustix::fs::lsetxattr(at("a/run"), "user.note", b"kept", rustix::fs::XattrFlags::empty()).is_ok();
    write(&at("a"), &at("a.img"), &Options::default());
    let done = extract(&open(&at("a.img")), &at("b"), Trust::default(), |_| {}).unwrap();
    assert_eq!((done.entries, done.left_out), (13, 0));
    write(&at("b"), &at("b.img"), &Options::default());
    assert_eq!(fs::read(at("a.img")).unwrap(), fs::read(at("b.img")).unwrap());
    let about = |path: &str| fs::metadata(at(path)).unwrap();
    assert_eq!(about("b/hard").ino(), about("b/deep/file").ino());
    assert_ne!(about("b/deep/twin").ino(), about("b/deep/file").ino());
    assert_eq!(about("b/run").mode() & 0o7777, 0o750);
    assert_eq!((about("b/deep").mtime(), about("b/deep").mtime_nsec()), (77, 123));
    if user {
        let mut value = vec![0; 16];
        let len = rustix::fs::lgetxattr(at("b/run"), "user.note", &mut value).unwrap();
        assert_eq!(&value[..len], b"kept");
    }
    assert!(
        matches!(extract(&open(&at("a.img")), &at("b"), Trust::default(), |_| {}), Err(Error::Io(..))),
        "it is not empty"
    );
}

#[test]
fn setuid_bits_are_kept_of_trusted_images_only() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("a")).unwrap();
    fs::write(at("a/su"), b"x").unwrap();
    fs::set_permissions(at("a/su"), fs::Permissions::from_mode(0o4755)).unwrap();
    write(&at("a"), &at("a.img"), &Options::default());
    assert_eq!(extract(&open(&at("a.img")), &at("b"), Trust::default(), |_| {}).unwrap().left_out, 1);
    let trust = Trust { attributes: true, ..Trust::default() };
    extract(&open(&at("a.img")), &at("c"), trust, |_| {}).unwrap();
    let mode = |path: &str| fs::metadata(at(path)).unwrap().mode() & 0o7777;
    assert_eq!((mode("b/su"), mode("c/su")), (0o755, 0o4755));
}

#[test]
fn times_are_bounded_or_one_for_all() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fill(&at("a"));
    fill(&at("b"));
    write(&at("a"), &at("a.img"), &Options { times: Times::All(9), ..Options::default() });
    write(&at("b"), &at("b.img"), &Options { times: Times::All(9), ..Options::default() });
    assert_eq!(fs::read(at("a.img")).unwrap(), fs::read(at("b.img")).unwrap());
    write(&at("a"), &at("c.img"), &Options { times: Times::NotAfter(6), ..Options::default() });
    let image = open(&at("c.img"));
    let time = |path: &[u8]| image.find(&mut docteur::Cache::new(0), path).unwrap().unwrap().modified;
    assert_eq!((time(b"deep/file").seconds, time(b"deep/file").nanoseconds), (5, 123));
    assert_eq!((time(b"run").seconds, time(b"run").nanoseconds), (6, 0));
}

#[test]
fn differences_are_named() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fill(&at("a"));
    let options = Options { times: Times::All(9), ..Options::default() };
    write(&at("a"), &at("a.img"), &options);
    fs::remove_file(at("a/loop")).unwrap();
    fs::write(at("a/new"), b"").unwrap();
    fs::write(at("a/deep/twin"), text(8, 9_000)).unwrap();
    fs::set_permissions(at("a/run"), fs::Permissions::from_mode(0o700)).unwrap();
    write(&at("a"), &at("b.img"), &options);
    let path = |path: &str| path.as_bytes().to_vec();
    assert_eq!(
        changes(&at("a.img"), &at("b.img")),
        [
            Change::Changed(path("deep/twin"), vec!["content"]),
            Change::Removed(path("loop")),
            Change::Added(path("new")),
            Change::Changed(path("run"), vec!["mode"]),
        ]
    );
}

#[test]
fn sockets_are_refused_and_so_are_links_in_a_site() {
    let place = tempfile::tempdir().unwrap();
    let _socket = UnixListener::bind(place.path().join("socket")).unwrap();
    assert!(matches!(Folder::scan(place.path(), false), Err(Error::Special(_))));
    let place = tempfile::tempdir().unwrap();
    symlink("/etc/passwd", place.path().join("link")).unwrap();
    assert!(matches!(image_of_folder(place.path()), Err(Error::Special(_))));
}
