//! Folders, there and back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Cursor;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use docteur::{Attribute, FileSource, Image, Limits};
use docteur_make::{
    Change, Error, Folder, Node, NodeKind, Options, Times, Tree, Trust, diff, extract, image_of_folder, make,
};
use proptest::prelude::*;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags};
use support::{InMemory, build, fill, noise, text};

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

/// Names that a file system may take for each other, or for something else.
const NAMES: [&[u8]; 14] = [
    b"a",
    b"A",
    "ä".as_bytes(),
    "a\u{308}".as_bytes(),
    "Ä".as_bytes(),
    b"\xff",
    b"\n",
    b" ",
    b"-rf",
    b".hidden",
    b"...",
    b"\\",
    b"index.html",
    &[b'n'; 255],
];
const TARGETS: [&[u8]; 6] = [b".", b"..", b"a", b"../A/../\xff", b"/", &[b'l'; 4000]];

/// Something to be made: where, what, and with what.
#[derive(Clone, Debug)]
struct Plant {
    path: Vec<usize>,
    kind: usize,
    size: usize,
    seed: u64,
    mode: u32,
    time: (i64, u32),
    note: Option<Vec<u8>>,
}

fn plants() -> impl Strategy<Value = Vec<Plant>> {
    let path = prop_oneof![
        9 => proptest::collection::vec(0..NAMES.len(), 1..4),
        1 => proptest::collection::vec(0..NAMES.len() - 1, 20..60),
    ];
    let size = prop_oneof![Just(0), 1..200_usize, 4_000..20_000_usize];
    // What every file system of Linux can hold.
    let time = (-2_000_000_000..8_000_000_000_i64, 0..1_000_000_000_u32);
    let note = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50));
    let plant = (path, 0..6_usize, size, 0..4_u64, 0..0o10000_u32, time, note);
    let plant =
        plant.prop_map(|(path, kind, size, seed, mode, time, note)| Plant { path, kind, size, seed, mode, time, note });
    proptest::collection::vec(plant, 0..40)
}

/// Makes them in a folder; what stands in the way of another stays.
fn grow(folder: &Path, plants: &[Plant]) {
    fs::create_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = Vec::new();
    let mut made = Vec::new();
    for plant in plants {
        let path: PathBuf = plant.path.iter().map(|name| OsStr::from_bytes(NAMES[*name])).collect();
        let place = folder.join(path);
        let parent = place.parent().unwrap();
        // Not through a link, which may lead out of the folder.
        let below = || parent.ancestors().take_while(|above| above.starts_with(folder));
        if below().any(Path::is_symlink) || fs::symlink_metadata(&place).is_ok() || fs::create_dir_all(parent).is_err()
        {
            continue;
        }
        match (plant.kind, files.get(plant.seed as usize)) {
            (0, _) => fs::create_dir(&place).unwrap(),
            (1, _) => symlink(OsStr::from_bytes(TARGETS[plant.size % TARGETS.len()]), &place).unwrap(),
            (2, Some(first)) => fs::hard_link(first, &place).unwrap(),
            (3, _) => fs::write(&place, noise(plant.seed, plant.size)).unwrap(),
            _ => fs::write(&place, text(plant.seed, plant.size)).unwrap(),
        }
        if plant.kind != 0 {
            files.push(place.clone());
        }
        made.push((place, plant));
    }
    // The deepest first: a folder's time is that of what was made in it last.
    made.sort_by_key(|(place, _)| std::cmp::Reverse(place.components().count()));
    for (place, plant) in made {
        if let Some(note) = &plant.note {
            // Where the file system has them, and of links none.
            let _ = rustix::fs::lsetxattr(&place, "user.note", note, XattrFlags::empty());
        }
        if !place.is_symlink() {
            // The owner has to be able to read it.
            let mode = plant.mode | if place.is_dir() { 0o700 } else { 0o600 };
            fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        }
        let time = Timespec { tv_sec: plant.time.0, tv_nsec: plant.time.1.into() };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, &place, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

/// Of a path: type and mode, time, bytes or target, an attribute, and the first path that it is a hard link of.
type Recorded = (u32, (i64, i64), Vec<u8>, Option<Vec<u8>>, PathBuf);

fn recorded(folder: &Path) -> BTreeMap<PathBuf, Recorded> {
    let (mut all, mut open) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(here) = open.pop() {
        if fs::symlink_metadata(&here).unwrap().is_dir() {
            open.extend(fs::read_dir(&here).unwrap().map(|entry| entry.unwrap().path()));
        }
        all.push(here);
    }
    all.sort();
    let mut first = BTreeMap::new();
    let of = |place: PathBuf| {
        let data = fs::symlink_metadata(&place).unwrap();
        let path = place.strip_prefix(folder).unwrap().to_path_buf();
        let bytes = match data.file_type() {
            kind if kind.is_dir() => Vec::new(),
            kind if kind.is_symlink() => fs::read_link(&place).unwrap().into_os_string().into_vec(),
            _ => fs::read(&place).unwrap(),
        };
        let mut note = vec![0; 64];
        let note = rustix::fs::lgetxattr(&place, "user.note", &mut note).ok().map(|len| note[..len].to_vec());
        let link: &PathBuf = first.entry(data.ino()).or_insert_with(|| path.clone());
        (path, (data.mode(), (data.mtime(), data.mtime_nsec()), bytes, note, link.clone()))
    };
    all.into_iter().map(of).collect()
}

/// A path of exactly `len` bytes, of names of many lengths.
fn long(len: usize, names: &[usize]) -> Vec<u8> {
    let (mut path, mut names) = (Vec::new(), names.iter().cycle());
    while path.len() < len {
        let left = len - path.len();
        // What is left is a name, or a slash and some more.
        let name = if left <= 255 { left } else { (*names.next().unwrap()).min(left - 2) };
        path.extend(std::iter::repeat_n(b'a' + (name % 26) as u8, name));
        if path.len() < len {
            path.push(b'/');
        }
    }
    path
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn any_folder_comes_back_as_it_was(plants in plants()) {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        grow(&at("a"), &plants);
        let options = Options { level: 1, threads: 1, segment: 4096, ..Options::default() };
        write(&at("a"), &at("a.img"), &options);
        let trust = Trust { attributes: true, ..Trust::default() };
        let done = extract(&open(&at("a.img")), &at("b"), trust, |_| {}).unwrap();
        prop_assert_eq!(done.left_out, 0);
        prop_assert_eq!(recorded(&at("a")), recorded(&at("b")));
        write(&at("b"), &at("b.img"), &options);
        prop_assert!(fs::read(at("a.img")).unwrap() == fs::read(at("b.img")).unwrap());
    }

    #[test]
    fn paths_come_back_that_are_too_long_for_the_system(
        names in proptest::collection::vec(1..256_usize, 1..20),
        len in prop_oneof![Just(4096_usize), Just(4095), 3_500..4_096_usize],
        above in 0..16_usize,
        note in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let place = tempfile::tempdir().unwrap();
        let folder = (0..above).fold(place.path().to_path_buf(), |folder, _| folder.join("b".repeat(200)));
        fs::create_dir_all(&folder).unwrap();
        let mut tree = InMemory::default();
        let mut path = long(len, &names);
        tree.grow(&path, 2, 3_000, 1, 5, 0o640);
        let last = tree.nodes.last_mut().unwrap();
        last.link = Some(0);
        if rustix::fs::lsetxattr(place.path(), "user.note", &note, XattrFlags::empty()).is_ok() {
            last.attributes = vec![Attribute { name: b"user.note".to_vec(), value: note }];
        }
        let twin = last.clone();
        for (byte, kind) in [(b'X', 1), (b'Y', 0), (b'Z', 2)] {
            *path.last_mut().unwrap() = byte;
            tree.grow(&path, kind, 30, 2, 1_000_000_000, if kind == 1 { 0o777 } else { 0o755 });
        }
        *path.last_mut().unwrap() = b'W';
        tree.nodes.push(Node { path, ..twin });
        let made = build(&tree, &Options { level: 1, threads: 1, ..Options::default() });
        let (first, again, out) = (place.path().join("first"), place.path().join("again"), folder.join("out"));
        fs::write(&first, &made).unwrap();
        let done = extract(&open(&first), &out, Trust::default(), |_| {}).unwrap();
        prop_assert_eq!(done.left_out, 0);
        write(&out, &again, &Options { level: 1, threads: 1, ..Options::default() });
        prop_assert!(fs::read(&again).unwrap() == made, "{:?}", changes(&first, &again));
    }
}

/// Packs what is in `folder`, which `change` changes after it was looked at.
fn packed(folder: &Path, change: impl FnOnce()) -> Result<Vec<u8>, Error> {
    let tree = Folder::scan(folder, true)?;
    change();
    let mut out = Cursor::new(Vec::new());
    make(&tree, &Options { level: 1, ..Options::default() }, &mut out, Path::new("image"), |_| {})?;
    Ok(out.into_inner())
}

#[test]
fn a_file_that_is_another_by_now_is_told_and_no_link_is_followed() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let file = at("source/deep/victim");
    let fresh = || {
        for folder in ["source", "other"] {
            let _ = fs::remove_dir_all(at(folder));
            fs::create_dir_all(at(folder).join("deep")).unwrap();
            fs::write(at(folder).join("deep/victim"), format!("bytes of {folder:>6}")).unwrap();
        }
    };
    fresh();
    assert!(packed(&at("source"), || {}).is_ok());
    let write = |bytes: &[u8]| fs::write(&file, bytes).unwrap();
    let gone = || fs::remove_file(&file).unwrap();
    let changes: [(&str, &dyn Fn()); 8] = [
        ("a link", &|| (gone(), symlink(at("other/deep/victim"), &file).unwrap()).1),
        ("a folder", &|| (gone(), fs::create_dir(&file).unwrap()).1),
        ("a pipe, which nobody writes", &|| {
            gone();
            rustix::fs::mknodat(CWD, &file, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        }),
        ("a link on the way", &|| {
            fs::rename(at("source/deep"), at("away")).unwrap();
            symlink(at("other/deep"), at("source/deep")).unwrap();
            fs::remove_dir_all(at("away")).unwrap();
        }),
        ("longer", &|| write(b"bytes of source and some more")),
        ("shorter", &|| write(b"bytes")),
        ("as long, later", &|| {
            write(b"bytes of no one");
            File::open(&file).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(1)).unwrap();
        }),
        ("another's mode", &|| fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap()),
    ];
    for (what, change) in changes {
        fresh();
        let error = packed(&at("source"), change).unwrap_err();
        assert!(matches!(&error, Error::Changed(path) if path == "deep/victim"), "{what}: {error}");
    }
    fresh();
    let error = packed(&at("source"), gone).unwrap_err();
    assert!(matches!(&error, Error::Io(_, error) if error.kind() == std::io::ErrorKind::NotFound), "{error}");
}

/// A file that is another from one reading on.
struct Wavering {
    node: Node,
    from: usize,
    readings: AtomicUsize,
}

impl Tree for Wavering {
    fn count(&self) -> usize {
        1
    }

    fn node(&self, _: usize) -> Node {
        self.node.clone()
    }

    fn read_at(&self, _: u64, _: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let other = self.readings.fetch_add(1, Ordering::Relaxed) >= self.from;
        buffer.fill(if other { b'b' } else { b'a' });
        Ok(())
    }
}

#[test]
fn bytes_that_differ_from_one_reading_to_the_next_are_told() {
    for (web, readings) in [(false, 2), (true, 3)] {
        for from in 0..=readings {
            let kind = NodeKind::File { key: 0, size: 1_000 };
            let node = Node { kind, ..support::file(b"page.html") };
            let tree = Wavering { node, from, readings: AtomicUsize::new(0) };
            let options = Options { level: 1, web, ..Options::default() };
            let made = make(&tree, &options, &mut Cursor::new(Vec::new()), Path::new("image"), |_| {});
            // It is read so often; if all readings agree there is nothing to tell.
            let agree = from == 0 || from == readings;
            let told = matches!(&made, Err(Error::Changed(path)) if path == "page.html");
            assert!(if agree { made.is_ok() } else { told }, "{web} {from}: {made:?}");
            assert!(!agree || tree.readings.into_inner() == readings);
        }
    }
}
