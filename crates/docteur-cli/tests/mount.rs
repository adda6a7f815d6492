//! Images as file systems of this machine's kernel. It takes /dev/fuse, and the right to mount or the program fusermount3.
#![cfg(feature = "mount")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod process;
#[path = "../../docteur-make/tests/support/mod.rs"]
mod support;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use process::{DOCTEUR, Running, make};
use support::{fill, noise, text};

/// A mounted image, which is unmounted at the end, however that comes.
struct Mounted {
    process: Option<Running>,
    folder: PathBuf,
}

impl Mounted {
    fn new(image: &Path, folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let (process, line) = Running::start(&["mount".as_ref(), image.as_ref(), folder.as_ref()]);
        let mounted = Self { process: Some(process), folder: folder.to_path_buf() };
        if !line.contains("is mounted at") {
            panic!("{}", mounted.end().1);
        }
        mounted
    }

    fn stop(&self) {
        self.process.as_ref().unwrap().stop();
    }

    fn end(mut self) -> (Option<i32>, String) {
        self.process.take().unwrap().end()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.process.as_mut().is_some_and(|process| !process.has_ended()) {
            let _ = rustix::mount::unmount(&self.folder, rustix::mount::UnmountFlags::DETACH);
        }
    }
}

/// A path, its mode, time and size, and its bytes or target.
type Recorded = (PathBuf, u32, (i64, i64), u64, Vec<u8>);

/// Every path below a folder, with all that is recorded of it.
fn contents(folder: &Path) -> Vec<Recorded> {
    let (mut all, mut open) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(here) = open.pop() {
        let data = fs::symlink_metadata(&here).unwrap();
        let bytes = if data.is_dir() {
            open.extend(fs::read_dir(&here).unwrap().map(|entry| entry.unwrap().path()));
            Vec::new()
        } else if data.is_symlink() {
            fs::read_link(&here).unwrap().into_os_string().into_encoded_bytes()
        } else {
            fs::read(&here).unwrap()
        };
        let size = if data.is_dir() { 0 } else { data.len() };
        let path = here.strip_prefix(folder).unwrap().to_path_buf();
        all.push((path, data.mode(), (data.mtime(), data.mtime_nsec()), size, bytes));
    }
    all.sort();
    all
}

#[test]
fn a_mounted_image_is_the_folder_it_was_made_of() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fill(&at("source"));
    fs::write(at("source/long"), noise(7, 3_000_000)).unwrap();
    fs::create_dir(at("source/many")).unwrap();
    for n in 0..3_000 {
        fs::write(at(&format!("source/many/file number {n}")), text(n, 40)).unwrap();
    }
    let note = rustix::fs::XattrFlags::empty();
    rustix::fs::lsetxattr(at("source/run"), OsStr::new("user.note"), b"a value", note).unwrap();
    make(&at("source"), &at("image"), &["--segment", "65536"]);
    let mounted = Mounted::new(&at("image"), &at("mount"));
    let (wanted, found) = (contents(&at("source")), contents(&at("mount")));
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(&wanted) {
        assert!(
            found == wanted,
            "{:?} {:o} {:?} {}, wanted {:?} {:o} {:?} {}",
            found.0,
            found.1,
            found.2,
            found.3,
            wanted.0,
            wanted.1,
            wanted.2,
            wanted.3
        );
    }

    // Names that a listing gives have the numbers that their files have; hard links have one.
    for entry in fs::read_dir(at("mount")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(std::os::unix::fs::DirEntryExt::ino(&entry), fs::symlink_metadata(entry.path()).unwrap().ino());
    }
    let number = |path: &str| fs::metadata(at(path)).unwrap().ino();
    assert_eq!(number("mount/hard"), number("mount/deep/file"));
    assert_ne!(number("mount/hard"), number("mount/deep/twin"));
    assert!(fs::metadata(at("mount/hard")).unwrap().nlink() > 1);

    let mut value = [0; 40];
    let len = rustix::fs::lgetxattr(at("mount/run"), OsStr::new("user.note"), &mut value).unwrap();
    assert_eq!(&value[..len], b"a value");
    let len = rustix::fs::llistxattr(at("mount/run"), &mut value).unwrap();
    assert_eq!(&value[..len], b"user.note\0");
    assert!(rustix::fs::lgetxattr(at("mount/run"), OsStr::new("user.other"), &mut value).is_err());

    // Any place of a file, from several threads.
    let long = fs::read(at("source/long")).unwrap();
    thread::scope(|scope| {
        for n in 0..4_u64 {
            let (file, long) = (File::open(at("mount/long")).unwrap(), &long);
            scope.spawn(move || {
                for step in 0..200 {
                    let offset = (n * 7_919 + step * 104_729) % 2_990_000;
                    let mut piece = [0; 777];
                    file.read_exact_at(&mut piece, offset).unwrap();
                    assert_eq!(&piece[..], &long[offset as usize..][..777]);
                }
            });
        }
    });
    let mut end = File::open(at("mount/long")).unwrap();
    end.seek(SeekFrom::End(0)).unwrap();
    assert_eq!(end.read(&mut [0; 9]).unwrap(), 0);
    drop(end);

    for (refused, why) in [
        (fs::write(at("mount/new"), b"x").unwrap_err(), std::io::ErrorKind::ReadOnlyFilesystem),
        (fs::remove_file(at("mount/run")).unwrap_err(), std::io::ErrorKind::ReadOnlyFilesystem),
        (File::open(at("mount/missing")).unwrap_err(), std::io::ErrorKind::NotFound),
    ] {
        assert_eq!(refused.kind(), why);
    }

    // What is open outlives the mount.
    let file = File::open(at("mount/deep/file")).unwrap();
    mounted.stop();
    while fs::exists(at("mount/run")).unwrap() {
        thread::yield_now();
    }
    let mut last = [0; 10];
    file.read_exact_at(&mut last, 100).unwrap();
    assert_eq!(last, text(1, 9_000)[100..110]);
    drop(file);
    assert_eq!(mounted.end(), (Some(0), String::new()));
}

#[test]
fn it_ends_when_somebody_else_unmounts() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fill(&at("source"));
    make(&at("source"), &at("image"), &[]);
    let mounted = Mounted::new(&at("image"), &at("mount"));
    assert_eq!(fs::read(at("mount/run")).unwrap(), b"#!/bin/sh\n");
    rustix::mount::unmount(at("mount"), rustix::mount::UnmountFlags::empty()).unwrap();
    assert_eq!(mounted.end(), (Some(0), String::new()));
}

#[test]
fn damage_is_an_input_output_error_and_is_told() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("source")).unwrap();
    fs::write(at("source/good"), text(1, 3_000)).unwrap();
    fs::write(at("source/wrong"), noise(2, 70_000)).unwrap();
    make(&at("source"), &at("image"), &["--segment", "4096", "--no-arrange"]);
    let mut bytes = fs::read(at("image")).unwrap();
    // Noise is stored as it is: a byte in the midst of it.
    let wanted = &noise(2, 70_000)[30_000..30_020];
    let found = bytes.windows(20).position(|window| window == wanted).unwrap();
    bytes[found] ^= 1;
    fs::write(at("image"), &bytes).unwrap();
    let mounted = Mounted::new(&at("image"), &at("mount"));
    assert_eq!(fs::read(at("mount/good")).unwrap(), text(1, 3_000));
    let error = fs::read(at("mount/wrong")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
    mounted.stop();
    let (code, told) = mounted.end();
    assert_eq!(code, Some(0));
    let line = format!("docteur: {}: /wrong: the image is damaged at byte", at("image").display());
    assert!(told.contains(&line), "{told}");
    assert!(told.contains("the piece does not have its hash"), "{told}");
}

#[test]
fn what_cannot_be_mounted_is_told() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fill(&at("source"));
    make(&at("source"), &at("image"), &[]);
    for (image, folder, why) in [("image", "missing", "No such file"), ("source/run", "source", "magic")] {
        let out = Command::new(DOCTEUR).arg("mount").args([at(image), at(folder)]).output().unwrap();
        let told = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() == Some(2) && told.contains(why), "{told}");
    }
}
