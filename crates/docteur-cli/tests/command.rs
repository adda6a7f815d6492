//! The command, as people call it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../docteur-make/tests/support/mod.rs"]
mod support;

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use support::{fill, text};

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
