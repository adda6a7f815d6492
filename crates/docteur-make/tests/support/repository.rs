//! Repositories that tests make.
#![allow(dead_code, reason = "each test uses some of it")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{noise, text};

/// Git without the configuration of whoever runs the test.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Output {
    let output = Command::new("git")
        .current_dir(folder)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs([
            ("GIT_AUTHOR_NAME", "Ada"),
            ("GIT_AUTHOR_EMAIL", "ada@example.org"),
            ("GIT_AUTHOR_DATE", "1000000000 +0200"),
        ])
        .envs([
            ("GIT_COMMITTER_NAME", "Bob"),
            ("GIT_COMMITTER_EMAIL", "bob@example.org"),
            ("GIT_COMMITTER_DATE", "1700000000 -0500"),
        ])
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

pub(crate) fn line(folder: &Path, arguments: &[&str]) -> String {
    String::from_utf8(git(folder, arguments).stdout).unwrap().trim().to_owned()
}

/// A history with all that a commit can hold: two branches, a merge, an annotated tag, a submodule, rules of what to leave out.
pub(crate) fn history(place: &Path, format: &str) -> PathBuf {
    let repository = place.join("repository");
    fs::create_dir_all(&repository).unwrap();
    let at = |path: &str| repository.join(path);
    git(&repository, &["init", "-q", "-b", "main", &format!("--object-format={format}")]);
    fs::create_dir_all(at("deep/er/nested")).unwrap();
    fs::create_dir_all(at("only/ignored/here")).unwrap();
    fs::write(at("read me"), text(1, 9_000)).unwrap();
    fs::write(at("deep/er/nested/empty"), b"").unwrap();
    fs::write(at("deep/twin"), text(1, 9_000)).unwrap();
    fs::write(at("long"), noise(3, 300_000)).unwrap();
    fs::write(repository.join(OsStr::from_bytes(b"deep/\xff\xfe\n")), b"odd\n").unwrap();
    fs::write(at("run"), b"#!/bin/sh\n").unwrap();
    fs::set_permissions(at("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("deep/../nowhere", at("soft")).unwrap();
    fs::write(at("only/ignored/here/x.tmp"), b"x").unwrap();
    fs::write(at("deep/er/keep.tmp"), b"kept").unwrap();
    fs::write(at("deep/secret"), b"s").unwrap();
    fs::write(at(".gitattributes"), b"[attr]hidden export-ignore\n*.tmp export-ignore\n/deep/secret hidden\n").unwrap();
    fs::write(at("deep/er/.gitattributes"), b"keep.tmp -export-ignore\nnested/ export-ignore\n").unwrap();
    git(&repository, &["add", "-A"]);
    git(&repository, &["commit", "-q", "-m", "the first\n\nand why"]);
    git(&repository, &["tag", "-a", "v1", "-m", "a tag"]);
    git(&repository, &["checkout", "-q", "-b", "side"]);
    fs::write(at("side"), text(4, 500)).unwrap();
    git(&repository, &["add", "-A"]);
    git(&repository, &["commit", "-q", "-m", "on the side"]);
    git(&repository, &["checkout", "-q", "main"]);
    fs::remove_file(at("deep/twin")).unwrap();
    let commit = line(&repository, &["rev-parse", "v1^{commit}"]);
    git(&repository, &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},vendor/sub")]);
    git(&repository, &["add", "-u", "deep"]);
    git(&repository, &["commit", "-q", "-m", "a submodule"]);
    git(&repository, &["merge", "-q", "--no-ff", "-m", "both", "side"]);
    repository
}
