//! The command, as people call it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../docteur-make/tests/support/mod.rs"]
mod support;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use support::{fill, noise, text};

const DOCTEUR: &str = env!("CARGO_BIN_EXE_docteur");

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
    let figures: serde_json::Value = serde_json::from_slice(&run(&["bench", "@a.img", "--reads", "100"]).1).unwrap();
    assert_eq!(figures["reads"], 100, "of fewer files");
    // A cause is told once.
    let missing = format!("docteur: {}: No such file or directory (os error 2)\n", at("missing").display());
    assert_eq!(run(&["make", "@missing", "@c.img"]), (Some(2), Vec::new(), missing));
    let (code, _, error) = run(&["verify", "@a/run"]);
    assert!(code == Some(2) && error.contains("does not begin with docteur's magic"), "{error}");
}

#[test]
fn the_command_takes_an_older_image() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("folder/page"), text(1, 9_000)).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(DOCTEUR);
        command.current_dir(place.path()).args(arguments).output().unwrap()
    };
    assert!(run(&["make", "folder", "old.img", "--time", "5"]).status.success());
    assert!(run(&["make", "folder", "new.img", "--time", "5", "--append", "old.img"]).status.success());
    assert!(fs::read(at("old.img")).unwrap() == fs::read(at("new.img")).unwrap());
    // An image may take its own place.
    fs::write(at("folder/more"), text(2, 9_000)).unwrap();
    assert!(run(&["make", "folder", "old.img", "--time", "5", "--append", "old.img"]).status.success());
    assert_eq!(run(&["cat", "old.img", "more"]).stdout, text(2, 9_000));
    let refused = run(&["make", "folder", "new.img", "--append", "folder/page"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("folder/page"));
}

/// The command in a folder: its exit code, and both that it prints.
fn run(place: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let out = Command::new(DOCTEUR).current_dir(place).args(words).env_remove("SOURCE_DATE_EPOCH").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_no_image_is_refused_at_once() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::create_dir_all(place.join("folder/below")).unwrap();
    fs::write(place.join("folder/page"), text(1, 900)).unwrap();
    assert_eq!(run(place, &["make", "folder", "whole"]).0, Some(0));
    let whole = fs::read(place.join("whole")).unwrap();
    fs::write(place.join("cut"), &whole[..whole.len() - 1]).unwrap();
    fs::write(place.join("empty"), b"").unwrap();
    // Nobody ever writes into it.
    pipe(&place.join("pipe"));
    for (image, why) in [
        ("missing", "No such file"),
        ("folder", "an image is a file"),
        ("pipe", "an image is a file"),
        ("/dev/null", "an image is a file"),
        ("cut", "its length is not"),
        ("empty", "does not begin with"),
    ] {
        for words in [
            &["verify", image][..],
            &["info", image],
            &["ls", image],
            &["cat", image, "page"],
            &["extract", image, "out"],
            &["diff", "whole", image],
            &["serve", image, "--listen", "127.0.0.1:0"],
            &["bench", image],
            &["make", "folder", "new", "--append", image],
        ] {
            let (code, out, told) = run(place, words);
            assert!(code == Some(2) && out.is_empty(), "{words:?}: {out}");
            assert!(told.contains(image) && told.contains(why) && told.lines().count() == 1, "{words:?}: {told}");
        }
    }
    assert_eq!(names(place), ["cut", "empty", "folder", "pipe", "whole"]);
    for (path, why) in [("", "/ is a folder"), ("below", "below is a folder"), ("page/x", "is not in the image")] {
        let (code, _, told) = run(place, &["cat", "whole", path]);
        assert!(code == Some(2) && told.contains(why), "{told}");
    }
}

#[test]
fn damage_names_its_image() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::create_dir(place.join("folder")).unwrap();
    fs::write(place.join("folder/page"), noise(1, 9_000)).unwrap();
    assert_eq!(run(place, &["make", "folder", "whole"]).0, Some(0));
    fs::write(place.join("folder/more"), b"more").unwrap();
    assert_eq!(run(place, &["make", "folder", "other"]).0, Some(0));
    let whole = fs::read(place.join("whole")).unwrap();
    // A byte of the content, which is stored as it is, and a byte of the index, which stands between it and the head.
    let content = whole.windows(20).position(|window| *window == noise(1, 9_000)[4_000..4_020]).unwrap();
    let head = u32::from_le_bytes(whole[160..164].try_into().unwrap()) as usize;
    for (name, at) in [("content", content), ("index", whole.len() - head - 1)] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(place.join(name), bytes).unwrap();
    }
    for (image, commands) in [
        (
            "content",
            &[
                &["verify", "content"][..],
                &["cat", "content", "page"],
                &["extract", "content", "out"],
                &["bench", "content"],
                &["make", "folder", "new", "--append", "content"],
                // One root names both, and no path differs.
                &["diff", "content", "whole"],
                &["diff", "whole", "content"],
                // What is only in one of them, or of another length, is read as well.
                &["diff", "content", "other"],
                &["diff", "other", "content"],
            ][..],
        ),
        (
            "index",
            &[
                &["verify", "index"],
                &["cat", "index", "page"],
                &["ls", "index"],
                &["ls", "-r", "index"],
                &["extract", "index", "out"],
                &["bench", "index"],
                &["make", "folder", "new", "--append", "index"],
                &["diff", "index", "whole"],
                &["diff", "whole", "index"],
            ],
        ),
    ] {
        for words in commands {
            let (code, _, told) = run(place, words);
            let begin = format!("docteur: {image}: the image is damaged at byte ");
            assert!(code == Some(2) && told.starts_with(&begin) && told.lines().count() == 1, "{words:?}: {told}");
            let _ = fs::remove_dir_all(place.join("out"));
        }
    }
}

/// They are not clap's own, which cannot tell what was given from what was not.
#[test]
fn the_help_tells_the_defaults_of_what_is_fetched() {
    let (_, said, _) = run(Path::new("."), &["make", "--help"]);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let taken = docteur_make::GitOptions::default();
    for default in [taken.fetched, taken.time.as_secs()] {
        assert!(said.contains(&format!("[default: {default}]")), "{default}: {said}");
    }
}

#[test]
fn options_of_git_are_refused_where_they_say_nothing() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::create_dir(place.join("folder")).unwrap();
    for (options, why) in [
        (&["--submodules"][..], "folder is a folder and no Git repository: --submodules is for these"),
        (&["-b", "main"], "folder is a folder and no Git repository: --revision is for these"),
        (&["--fetch-bytes", "9"], "folder is a folder and no Git repository: --fetch-bytes is for these"),
        (&["--fetch-seconds", "9"], "folder is a folder and no Git repository: --fetch-seconds is for these"),
        (&["--folder", "--fetch-seconds", "9"], "'--fetch-seconds <N>'"),
        (&["--folder", "--submodules"], "'--submodules'"),
    ] {
        let (code, out, told) = run(place, &[&["make", "folder", "image"], options].concat());
        assert!(code == Some(2) && out.is_empty() && told.contains(why), "{options:?}: {told}");
        assert!(!place.join("image").exists());
    }
}

#[test]
fn times_before_1970_are_recorded() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::create_dir(place.join("folder")).unwrap();
    fs::write(place.join("folder/file"), b"file").unwrap();
    for (options, time) in [(["--time", "-5"], "-5"), (["--not-after", "-86400"], "-86400")] {
        let (code, _, told) = run(place, &[&["make", "folder", "image"], &options[..]].concat());
        assert_eq!(code, Some(0), "{told}");
        let list = run(place, &["ls", "-l", "image", "file"]).1;
        assert_eq!(list.split_whitespace().nth(3), Some(time));
        assert_eq!(run(place, &["extract", "image", &format!("out{time}")]).0, Some(0));
        let modified = fs::metadata(place.join(format!("out{time}")).join("file")).unwrap().mtime();
        assert_eq!(modified.to_string(), time);
    }
}

#[test]
fn bits_that_give_rights_are_recorded_and_unpacked_on_request() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::create_dir_all(place.join("folder/shared")).unwrap();
    fs::write(place.join("folder/run"), b"run").unwrap();
    for (path, mode) in [("folder/run", 0o4755), ("folder/shared", 0o1777)] {
        fs::set_permissions(place.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    assert_eq!(run(place, &["make", "folder", "image"]).0, Some(0));
    let list = run(place, &["ls", "-l", "image"]).1;
    assert!(list.contains("- 4755") && list.contains("d 1777"), "{list}");
    let told = "docteur: 2 attributes and mode bits were left out (--trusted keeps them)\n";
    for (out, options, modes, told) in
        [("out", &[][..], [0o755, 0o777], told), ("all", &["--trusted"], [0o4755, 0o1777], "")]
    {
        let (code, _, error) = run(place, &[&["extract", "image", out], options].concat());
        assert_eq!((code, error.as_str()), (Some(0), told));
        let mode = |path: &str| fs::metadata(place.join(out).join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!([mode("run"), mode("shared")], modes);
    }
}

#[test]
fn an_image_replaces_nothing_but_a_file() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::create_dir(place.join("folder")).unwrap();
    fs::write(place.join("folder/page"), text(1, 900)).unwrap();
    fs::create_dir(place.join("other")).unwrap();
    pipe(&place.join("pipe"));
    symlink("gone", place.join("broken")).unwrap();
    for (image, why) in [
        ("other", "other is there, and no file"),
        ("pipe", "pipe is there, and no file"),
        ("/dev/null", "/dev/null is there, and no file"),
        ("..", ".. is there, and no file"),
        ("no/image", "no/image: its folder: No such file"),
        ("broken", "broken: No such file"),
        ("folder/image", "folder/image is inside of folder"),
        ("folder/page/image", "folder/page/image: "),
    ] {
        let (code, out, told) = run(place, &["make", "folder", image]);
        assert!(code == Some(2) && out.is_empty() && told.contains(why), "{told}");
    }
    assert_eq!(names(place), ["broken", "folder", "other", "pipe"]);
    assert_eq!(names(&place.join("folder")), ["page"]);
    // A link stays one, and its file is replaced.
    fs::write(place.join("other/image"), b"older").unwrap();
    symlink("other/image", place.join("latest")).unwrap();
    let (code, _, told) = run(place, &["make", "folder", "latest"]);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert!(fs::symlink_metadata(place.join("latest")).unwrap().is_symlink());
    assert_eq!(run(place, &["verify", "other/image"]).0, Some(0));
    assert_eq!(names(&place.join("other")), ["image"]);
    // From inside of it, too.
    let (code, _, told) = run(&place.join("folder"), &["make", ".", "image"]);
    assert!(code == Some(2) && told.contains("is inside of ."), "{told}");
    assert_eq!(run(&place.join("folder"), &["make", ".", "../image"]).0, Some(0));
}

#[test]
fn names_are_shown_as_they_are_but_move_no_cursor() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::create_dir(place.join("folder")).unwrap();
    fs::write(place.join("folder/größe 'x'.txt"), b"").unwrap();
    fs::write(place.join("folder").join(OsStr::from_bytes(b"\x1b[2J\xff\n")), b"").unwrap();
    assert_eq!(run(place, &["make", "folder", "image"]).0, Some(0));
    assert_eq!(run(place, &["ls", "image"]).1, "\\u{1b}[2J\\xff\\n\ngröße 'x'.txt\n");
    // An error's line is no other.
    let out = Command::new(DOCTEUR).current_dir(place).args(["extract", "image", "a\x1b[2J\nb/c"]).output().unwrap();
    let told = String::from_utf8(out.stderr).unwrap();
    assert!(told.starts_with("docteur: a\\u{1b}[2J\\nb/c: No such file") && told.lines().count() == 1, "{told:?}");
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir_all(at("folder")).unwrap();
    fs::create_dir_all(at("tmp")).unwrap();
    fs::create_dir_all(at("out")).unwrap();
    // More than can be compressed until the signal comes.
    fs::write(at("folder/noise"), noise(1, 60 << 20)).unwrap();
    // Somebody who takes connections, and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/r.git", silent.local_addr().unwrap());
    for (source, signal, code) in [
        ("folder", Signal::INT, 130),
        ("folder", Signal::TERM, 143),
        ("folder", Signal::HUP, 129),
        (&url, Signal::INT, 130),
    ] {
        // Whoever runs this test may ignore hang-ups, as `nohup` does.
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP", DOCTEUR, "make", source, "out/image", "--level", "22", "--threads", "1"]);
        command
            .current_dir(place.path())
            .env("TMPDIR", at("tmp"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        while names(&at("out")).is_empty() && names(&at("tmp")).is_empty() {
            assert_eq!(process.try_wait().unwrap(), None, "{source} ended by itself");
            thread::sleep(Duration::from_millis(5));
        }
        kill_process(Pid::from_child(&process), signal).unwrap();
        assert_eq!(process.wait().unwrap().code(), Some(code), "{source}");
        assert_eq!((names(&at("out")), names(&at("tmp"))), (vec![], vec![]), "{source}");
    }
}

#[test]
fn an_image_is_the_same_everywhere() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fill(&place.join("a/source"));
    let make = |folder: &str, source: &str, image: &str, threads: &str, environment: &[(&str, &str)]| {
        let mut command = Command::new(DOCTEUR);
        command.current_dir(place.join(folder)).args(["make", source, image, "--level", "3", "--threads", threads]);
        let out = command.env_remove("SOURCE_DATE_EPOCH").envs(environment.iter().copied()).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        fs::read(place.join(folder).join(image)).unwrap()
    };
    let first = make("a", "source", "image", "1", &[("TZ", "UTC"), ("LC_ALL", "C")]);
    let second = make("a/source", ".", "../again", "2", &[("TZ", "Asia/Kathmandu"), ("LC_ALL", "tr_TR.UTF-8")]);
    assert!(first == second);
    assert!(
        first == make("", "a/source/../source", "other", "7", &[("TZ", "America/St_Johns"), ("LANG", "ja_JP.eucJP")])
    );
    // The same files, made the other way round, so that the file system names them in another order.
    let (code, _, told) = run(place, &["extract", "other", "b", "--trusted"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(first == make("", "b", "third", "2", &[]));
}

#[test]
fn more_paths_than_may_be_are_told() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::create_dir_all(place.join("folder/a/b")).unwrap();
    let (code, _, told) = run(place, &["make", "folder", "image", "--most-paths", "2"]);
    assert!(code == Some(2) && told.contains("the number of paths") && told.contains("at most 2"), "{told}");
    assert!(!place.join("image").exists());
    assert_eq!(run(place, &["make", "folder", "image", "--most-paths", "3"]).0, Some(0));
}

#[test]
fn the_environment_says_the_time() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::create_dir(place.join("folder")).unwrap();
    fs::write(place.join("folder/file"), b"file").unwrap();
    File::open(place.join("folder/file"))
        .unwrap()
        .set_modified(UNIX_EPOCH + Duration::from_secs(2_000_000_000))
        .unwrap();
    let made = |epoch: &str, more: &[&str]| {
        let mut command = Command::new(DOCTEUR);
        command.current_dir(place).args(["make", "folder", "image"]).args(more).env("SOURCE_DATE_EPOCH", epoch);
        let out = command.output().unwrap();
        if !out.status.success() {
            return String::from_utf8(out.stderr).unwrap();
        }
        let list = run(place, &["ls", "-l", "image", "file"]).1;
        list.split_whitespace().nth(3).unwrap().to_owned()
    };
    for (epoch, more, time) in [
        ("1700000000", &[][..], "1700000000"),
        ("2100000000", &[], "2000000000"),
        ("1700000000", &["--not-after", "5"], "5"),
        ("1700000000", &["--time", "6"], "6"),
        ("", &[], "2000000000"),
        ("1700000000", &["--web"], "1700000000"),
        ("", &["--web"], "0"),
        ("", &["--web", "--not-after", "7"], "7"),
    ] {
        assert_eq!(made(epoch, more), time, "{epoch:?} {more:?}");
    }
    let told = made("yesterday", &[]);
    assert!(told.contains("SOURCE_DATE_EPOCH is yesterday"), "{told}");
}

#[test]
fn a_secret_image_stays_secret_when_it_is_made_again() {
    let place = tempfile::tempdir().unwrap();
    let (place, image) = (place.path(), place.path().join("image"));
    fs::create_dir(place.join("folder")).unwrap();
    for mode in [0o600, 0o640] {
        assert_eq!(run(place, &["make", "folder", "image"]).0, Some(0));
        fs::set_permissions(&image, fs::Permissions::from_mode(mode)).unwrap();
        fs::write(place.join("folder/more"), mode.to_string()).unwrap();
        assert_eq!(run(place, &["make", "folder", "image"]).0, Some(0));
        assert_eq!(fs::metadata(&image).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn a_folder_that_was_there_stays_its_owners() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::create_dir_all(place.join("folder/in")).unwrap();
    fs::set_permissions(place.join("folder"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::create_dir(place.join("mine")).unwrap();
    fs::set_permissions(place.join("mine"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(run(place, &["make", "folder", "image"]).0, Some(0));
    for (folder, mode) in [("mine", 0o700), ("made", 0o777)] {
        assert_eq!(run(place, &["extract", "image", folder]).0, Some(0));
        assert!(place.join(folder).join("in").is_dir());
        assert_eq!(fs::metadata(place.join(folder)).unwrap().permissions().mode() & 0o777, mode, "{folder}");
    }
}
