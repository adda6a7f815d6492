//! What submodules hold, of local repositories and of some elsewhere, held against `git submodule update` and `git archive`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../docteur-make/tests/support/mod.rs"]
mod support;

mod archive;
mod elsewhere;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use archive::{archive, assert_same, contents};
use docteur::{FileSource, Image, Limits};
use docteur_make::{Error, Git, GitOptions, Tree, Trust, extract};
use elsewhere::{http, listen, make_with};
use support::repository::{git, line};
use support::text;

/// A repository with a submodule by a relative URL, which has one itself, and one more by an absolute URL whose name is not its path.
fn nested(place: &Path, base: &str, format: &str) -> PathBuf {
    let new = |name: &str, seed| {
        let folder = place.join(name);
        fs::create_dir_all(folder.join("deep")).unwrap();
        git(&folder, &["init", "-q", "-b", "main", &format!("--object-format={format}")]);
        git(&folder, &["config", "uploadpack.allowAnySHA1InWant", "true"]);
        fs::write(folder.join("deep/page"), text(seed, 3_000)).unwrap();
        fs::write(folder.join("same"), text(9, 3_000)).unwrap();
        fs::write(folder.join("left out"), b"x").unwrap();
        fs::write(folder.join(".gitattributes"), format!("left* export-ignore\n{name}-only export-ignore\n")).unwrap();
        fs::write(folder.join("inner-only"), name).unwrap();
        folder
    };
    let commit = |folder: &Path, at: &str| {
        git(folder, &["add", "-A"]);
        git(folder, &["-c", "user.useConfigOnly=false", "commit", "-q", "-m", "all"]);
        // Each has a time of its own.
        let date = format!("{at} +0000");
        let amended = Command::new("git")
            .current_dir(folder)
            .args(["-c", "user.name=a", "-c", "user.email=b", "commit", "-q", "--amend", "--no-edit"])
            .envs([("GIT_COMMITTER_DATE", date.as_str()), ("GIT_CONFIG_GLOBAL", "/dev/null")])
            .status();
        assert!(amended.unwrap().success());
    };
    let add = |folder: &Path, words: &[&str]| {
        let (from, path) = (words[words.len() - 2], words[words.len() - 1]);
        let name = words.first().filter(|_| words.len() == 3).copied().unwrap_or(path);
        // It is made here, and known by the URL that it will have.
        let local = place.join(from.rsplit('/').next().unwrap().trim_end_matches(".git"));
        git(
            folder,
            &[
                "-c",
                "protocol.file.allow=always",
                "submodule",
                "--quiet",
                "add",
                "--name",
                name,
                local.to_str().unwrap(),
                path,
            ],
        );
        git(folder, &["config", "-f", ".gitmodules", &format!("submodule.{name}.url"), from]);
    };
    let inner = new("inner", 1);
    commit(&inner, "1600000001");
    let middle = new("middle", 2);
    add(&middle, &["../inner", "vendor/inner"]);
    commit(&middle, "1600000002");
    let outer = new("outer", 3);
    add(&outer, &["../middle", "vendor/middle"]);
    add(&outer, &["another name", &format!("{base}inner"), "again"]);
    commit(&outer, "1600000003");
    outer
}

/// What it has to be: the archives of the repository and of each submodule, one within the other.
fn expected(checkout: &Path, to: &Path) {
    archive(checkout, "HEAD", to);
    for (path, below) in [("vendor/middle", true), ("again", false)] {
        put(&checkout.join(path), &to.join(path));
        if below {
            put(&checkout.join(path).join("vendor/inner"), &to.join(path).join("vendor/inner"));
        }
    }
}

fn put(checkout: &Path, to: &Path) {
    // Folders get the time of what is put into them; that of the submodule's own is its parent's.
    let time = fs::metadata(to).unwrap().modified().unwrap();
    fs::remove_dir(to).unwrap();
    archive(checkout, "HEAD", to);
    fs::File::open(to).unwrap().set_modified(time).unwrap();
    let parent = to.parent().unwrap();
    fs::File::open(parent).unwrap().set_modified(time).unwrap();
}

fn assert_holds(image: &Path, checkout: &Path, place: &Path) {
    let (ours, theirs) = (place.join("ours"), place.join("theirs"));
    for folder in [&ours, &theirs] {
        let _ = fs::remove_dir_all(folder);
    }
    expected(checkout, &theirs);
    let image = Image::open(FileSource::open(image).unwrap(), &Limits::default()).unwrap();
    extract(&image, &ours, Trust::default(), |_| {}).unwrap();
    assert_same(&contents(&ours), &contents(&theirs), "submodules");
    assert!(ours.join("vendor/middle/vendor/inner/deep/page").exists() && !ours.join("again/left out").exists());
    assert!(!ours.join("again/inner-only").exists() && ours.join("vendor/middle/inner-only").exists());
    let metadata = image.metadata().unwrap();
    for path in ["vendor/middle", "vendor/middle/vendor/inner", "again"] {
        let commit = metadata.value(&format!("git.submodule.{path}")).unwrap().to_vec();
        assert_eq!(String::from_utf8(commit).unwrap(), line(&checkout.join(path), &["rev-parse", "HEAD"]));
    }
}

#[test]
fn needs_git_submodules_of_a_local_repository_are_what_git_checks_out() {
    for format in ["sha1", "sha256"] {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let outer = nested(place.path(), &format!("{}/", place.path().display()), format);
        let allow = ["-c", "protocol.file.allow=always"];
        git(place.path(), &[&allow[..], &["clone", "-q", "--recurse-submodules", "outer", "clone"]].concat());
        let source = at("clone");
        make_with(place.path(), source.to_str().unwrap(), &["--submodules"], &[]).unwrap();
        assert_holds(&at("made.img"), &source, place.path());
        // Without being asked for they are empty folders.
        let without = Git::open(&source, "HEAD", &GitOptions::default()).unwrap();
        assert!((0..without.count()).all(|number| !without.node(number).path.starts_with(b"again/")));
        // What is not here is not fetched.
        git(place.path(), &["clone", "-q", "outer", "bare-of-them"]);
        let told = make_with(place.path(), at("bare-of-them").to_str().unwrap(), &["--submodules"], &[]).unwrap_err();
        assert!(told.contains("the submodule again") && told.contains("git submodule update"), "{told}");
        drop(outer);
    }
}

#[test]
fn needs_git_submodules_elsewhere_are_fetched_from_where_they_are_said_to_be() {
    for format in ["sha1", "sha256"] {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let root = place.path().to_path_buf();
        let port = listen(move |stream| _ = http(stream, &root));
        let base = format!("http://127.0.0.1:{port}/");
        nested(place.path(), &base, format);
        let rewrite = format!("url.{}/.insteadOf={base}", place.path().display());
        let clone = ["-c", "protocol.file.allow=always", "-c", &rewrite, "clone", "-q", "--recurse-submodules"];
        git(place.path(), &[&clone[..], &["outer", "clone"]].concat());
        make_with(place.path(), &format!("{base}outer"), &["--submodules"], &[]).unwrap();
        assert_holds(&at("made.img"), &at("clone"), place.path());
        // What they have together is within one bound.
        let told = make_with(place.path(), &format!("{base}outer"), &["--submodules", "--fetch-bytes", "6000"], &[]);
        let told = told.unwrap_err();
        assert!(told.contains("6000 bytes"), "{told}");
    }
}

/// A repository whose only entry is a submodule at `path`, with these `.gitmodules`.
fn with_modules(place: &Path, modules: &str, commit: &str) -> PathBuf {
    let folder = place.join("outer");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    git(&folder, &["init", "-q", "-b", "main"]);
    fs::write(folder.join(".gitmodules"), modules).unwrap();
    git(&folder, &["add", ".gitmodules"]);
    git(&folder, &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub")]);
    git(&folder, &["commit", "-q", "-m", "all"]);
    folder
}

#[test]
fn needs_git_submodules_that_lead_to_this_machine_or_nowhere_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let inner = place.path().join("inner");
    fs::create_dir(&inner).unwrap();
    git(&inner, &["init", "-q", "-b", "main"]);
    fs::write(inner.join("secret"), b"s").unwrap();
    git(&inner, &["add", "-A"]);
    git(&inner, &["commit", "-q", "-m", "all"]);
    let commit = line(&inner, &["rev-parse", "HEAD"]);
    let root = place.path().to_path_buf();
    let port = listen(move |stream| _ = http(stream, &root));
    let source = format!("http://127.0.0.1:{port}/outer");
    let named = |url: &str| format!("[submodule \"s\"]\n\tpath = sub\n\turl = {url}\n");
    for (modules, wanted) in [
        (named(inner.to_str().unwrap()), "none of another place"),
        (named(&format!("file://{}", inner.display())), "none of another place"),
        (named("ext::sh -c touch"), "none of another place"),
        (named("../../../../inner"), "leads above its host"),
        (named("-u./x:y"), "sub"),
        ("[submodule \"s\"]\n\tpath = sub\n".into(), "no URL"),
        ("[submodule \"s\"]\n\tpath = other\n\turl = ../inner\n".into(), "not in .gitmodules"),
        ("[submodule".into(), ".gitmodules"),
    ] {
        with_modules(place.path(), &modules, &commit);
        let told = make_with(place.path(), &source, &["--submodules"], &[]).unwrap_err();
        assert!(told.contains(wanted), "{modules}: {told}");
        make_with(place.path(), &source, &[], &[]).unwrap();
    }
}

/// Each commit has the one before as a submodule: a history that is as deep as it is long, and twice as wide at each step.
#[test]
fn needs_git_submodules_in_submodules_come_to_an_end() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("self");
    fs::create_dir(&folder).unwrap();
    git(&folder, &["init", "-q", "-b", "main"]);
    let modules = "[submodule \"a\"]\n\tpath = a\n\turl = ./\n[submodule \"b\"]\n\tpath = b\n\turl = ./\n";
    fs::write(folder.join(".gitmodules"), modules).unwrap();
    git(&folder, &["add", "-A"]);
    git(&folder, &["commit", "-q", "-m", "0"]);
    for n in 1..20 {
        let before = line(&folder, &["rev-parse", "HEAD"]);
        for name in ["a", "b"] {
            git(&folder, &["update-index", "--add", "--cacheinfo", &format!("160000,{before},{name}")]);
        }
        git(&folder, &["commit", "-q", "-m", &n.to_string()]);
    }
    // Each finds itself in its own `modules`.
    fs::create_dir(folder.join(".git/modules")).unwrap();
    for name in ["a", "b"] {
        std::os::unix::fs::symlink("..", folder.join(".git/modules").join(name)).unwrap();
    }
    let taken = GitOptions { submodules: true, ..GitOptions::default() };
    let told = |revision| match Git::open(&folder, revision, &taken) {
        Err(error @ Error::TooMuch { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(told("HEAD").contains("the depth of submodules"), "{}", told("HEAD"));
    assert!(told("HEAD~7").contains("the number of submodules"), "{}", told("HEAD~7"));
    Git::open(&folder, "HEAD~14", &taken).unwrap();
}
