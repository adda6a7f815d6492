//! Folders, there and back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use docteur::{FileSource, Image, Limits};
use docteur_make::{Change, Error, Folder, Options, Times, Trust, diff, extract, image_of_folder, make};
use support::text;

const DOCTEUR: &str = env!("CARGO_BIN_EXE_docteur");

/// A folder with one of everything.
fn fill(folder: &Path) {
    fs::create_dir_all(folder.join("deep/er/.hidden")).unwrap();
    fs::create_dir(folder.join("empty")).unwrap();
    fs::write(folder.join("deep/file"), text(1, 9_000)).unwrap();
    fs::write(folder.join("deep/twin"), text(1, 9_000)).unwrap();
    fs::write(folder.join("deep/er/nothing"), b"").unwrap();
    fs::write(folder.join(OsStr::from_bytes(b"\xff\n")), text(2, 100)).unwrap();
    fs::write(folder.join("run"), b"#!/bin/sh\n").unwrap();
    fs::set_permissions(folder.join("run"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::hard_link(folder.join("deep/file"), folder.join("hard")).unwrap();
    symlink("deep/../nowhere", folder.join("soft")).unwrap();
    symlink(".", folder.join("loop")).unwrap();
    for (path, time) in [("deep/file", 5), ("run", 2_000_000_000), ("deep", 77)] {
        let time = UNIX_EPOCH + Duration::new(time, 123);
        File::open(folder.join(path)).unwrap().set_modified(time).unwrap();
    }
}

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

fn docteur(arguments: &[&OsStr]) -> (Option<i32>, Vec<u8>, String) {
    let out = Command::new(DOCTEUR).args(arguments).env_remove("SOURCE_DATE_EPOCH").output().unwrap();
    (out.status.code(), out.stdout, String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn the_command_makes_looks_and_unpacks() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).into_os_string();
    fill(Path::new(&at("a")));
    let run = |words: &[&str]| {
        let images =
            words.iter().map(|word| word.strip_prefix('@').map_or_else(|| word.into(), at)).collect::<Vec<_>>();
        docteur(&images.iter().map(AsRef::as_ref).collect::<Vec<_>>())
    };
    let (code, made, error) = run(&["make", "@a", "@a.img", "--level", "3", "--threads", "2"]);
    assert_eq!(code, Some(0), "{error}");
    let root = String::from_utf8(made).unwrap().trim().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(run(&["verify", "@a.img", "--root", &root]).0, Some(0));
    assert_eq!(run(&["verify", "@a.img", "--root", &root.replace(['0', '1'], "2")]).0, Some(2));
    assert!(String::from_utf8(run(&["info", "@a.img", "--json"]).1).unwrap().contains(&root));
    assert_eq!(run(&["cat", "@a.img", "/deep/file"]).1, text(1, 9_000));
    let (code, _, error) = run(&["cat", "@a.img", "deep/missing"]);
    assert!(code == Some(2) && error.contains("deep/missing is not in the image"), "{error}");
    assert_eq!(run(&["ls", "@a.img", "deep/"]).1, b"er\nfile\ntwin\n");
    assert_eq!(run(&["ls", "-r", "@a.img", "deep/er"]).1, b"deep/er/.hidden\ndeep/er/nothing\n");
    let list = String::from_utf8(run(&["ls", "-l", "@a.img"]).1).unwrap();
    assert!(list.contains("soft -> deep/../nowhere") && list.contains("\\xff\\n"), "{list}");
    assert_eq!(run(&["extract", "@a.img", "@b"]).0, Some(0));
    assert_eq!(run(&["make", "@b", "@b.img", "--level", "19"]).0, Some(0));
    assert_eq!(run(&["diff", "@a.img", "@b.img"]), (Some(0), Vec::new(), String::new()));
    fs::write(at("b/run"), b"other").unwrap();
    assert_eq!(run(&["make", "@b", "@b.img", "--time", "5"]).0, Some(0));
    let (code, out, _) = run(&["diff", "@a.img", "@b.img"]);
    assert!(code == Some(1) && String::from_utf8(out).unwrap().contains("~ run (content, time)"));
    let figures: serde_json::Value = serde_json::from_slice(&run(&["bench", "@a.img", "--reads", "3"]).1).unwrap();
    assert_eq!(figures["reads"], 3);
    // A cause is told once.
    let missing = format!("docteur: {}: No such file or directory (os error 2)\n", at("missing").display());
    assert_eq!(run(&["make", "@missing", "@c.img"]), (Some(2), Vec::new(), missing));
    let (code, _, error) = run(&["verify", "@a/run"]);
    assert!(code == Some(2) && error.contains("does not begin with docteur's magic"), "{error}");
}
