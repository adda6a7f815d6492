//! Commits of repositories that the test makes, held against `git archive`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../docteur-make/tests/support/mod.rs"]
mod support;

mod archive;

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use archive::{archive, assert_same, contents};
use docteur::{FileSource, Image, Limits};
use docteur_make::{Error, Git, GitOptions, Options, Tree, Trust, extract, make};
use support::repository::{git, history, line};

const DOCTEUR: &str = env!("CARGO_BIN_EXE_docteur");

fn image(tree: &Git, file: &Path, options: &Options) -> Image<FileSource> {
    let options = Options { metadata: tree.metadata().clone(), level: 3, segment: 64 << 10, ..options.clone() };
    make(tree, &options, &mut fs::File::create(file).unwrap(), file, |_| {}).unwrap();
    Image::open(FileSource::open(file).unwrap(), &Limits::default()).unwrap()
}

#[test]
fn needs_git_a_commit_is_what_git_archives() {
    for format in ["sha1", "sha256"] {
        let place = tempfile::tempdir().unwrap();
        let repository = history(place.path(), format);
        git(place.path(), &["clone", "-q", "--bare", "repository", "bare"]);
        git(&repository, &["gc", "-q", "--aggressive"]);
        let commit = line(&repository, &["rev-parse", "v1^{commit}"]);
        for (n, revision) in ["HEAD", "main", "v1", "side", "main~1", &commit, &commit[..12]].into_iter().enumerate() {
            let (ours, theirs) = (place.path().join(format!("ours-{n}")), place.path().join(format!("theirs-{n}")));
            archive(&repository, revision, &theirs);
            let roots = [&repository, &place.path().join("bare")].map(|place| {
                let tree = Git::open(place, revision, &GitOptions::default()).unwrap();
                image(&tree, &ours.with_extension("img"), &Options::default()).root()
            });
            assert_eq!(roots[0], roots[1], "loose or packed, bare or not: {format} {revision}");
            let image = Image::open(FileSource::open(ours.with_extension("img")).unwrap(), &Limits::default()).unwrap();
            extract(&image, &ours, Trust::default(), |_| {}).unwrap();
            assert_same(&contents(&ours), &contents(&theirs), &format!("{format} {revision}"));
            let metadata = image.metadata().unwrap();
            let text = |key: &str| String::from_utf8_lossy(metadata.value(key).unwrap_or_default()).into_owned();
            assert_eq!(text("git.commit"), line(&repository, &["rev-parse", &format!("{revision}^{{commit}}")]));
            assert_eq!(text("git.tree"), line(&repository, &["rev-parse", &format!("{revision}^{{tree}}")]));
            assert_eq!(text("git.author"), "Ada <ada@example.org> 1000000000 +0200");
            assert_eq!(text("git.committer"), "Bob <bob@example.org> 1700000000 -0500");
            assert_eq!(
                text("git.message").trim_end(),
                line(&repository, &["log", "-1", "--format=%B", revision, "--"])
            );
            let submodule = if matches!(revision, "HEAD" | "main" | "main~1") { commit.as_str() } else { "" };
            assert_eq!(text("git.submodule.vendor/sub"), submodule, "{revision}");
        }
    }
}

/// In a work tree Git passes over one; of a tree it is the first pattern's beginning.
#[test]
fn needs_git_a_byte_order_mark_is_a_part_of_its_pattern() {
    let place = tempfile::tempdir().unwrap();
    let repository = place.path().join("repository");
    for (folder, mark) in [
        ("", &b"\xEF\xBB\xBF"[..]),
        ("twice", b"\xEF\xBB\xBF\xEF\xBB\xBF"),
        ("utf-16", b"\xFF\xFE"),
        ("utf-7", b"+/v8"),
        ("none", b""),
    ] {
        let folder = repository.join(folder);
        fs::create_dir_all(&folder).unwrap();
        let rules = [mark, b"secret export-ignore\nother export-ignore\n"].concat();
        fs::write(folder.join(".gitattributes"), rules).unwrap();
        for name in [&b"secret"[..], b"other", b"kept", b"\xEF\xBB\xBFsecret", b"\xFF\xFEsecret"] {
            fs::write(folder.join(OsStr::from_bytes(name)), name).unwrap();
        }
    }
    git(&repository, &["init", "-q"]);
    git(&repository, &["add", "-A"]);
    git(&repository, &["commit", "-q", "-m", "marks"]);
    let (ours, theirs) = (place.path().join("ours"), place.path().join("theirs"));
    archive(&repository, "HEAD", &theirs);
    assert!(theirs.join("secret").exists() && !theirs.join("none/secret").exists() && !theirs.join("other").exists());
    let tree = Git::open(&repository, "HEAD", &GitOptions::default()).unwrap();
    extract(&image(&tree, &ours.with_extension("img"), &Options::default()), &ours, Trust::default(), |_| {}).unwrap();
    assert_same(&contents(&ours), &contents(&theirs), "byte order marks");
}

fn nodes(tree: &Git) -> Vec<docteur_make::Node> {
    (0..tree.count()).map(|number| tree.node(number)).collect()
}

#[test]
fn needs_git_a_tree_has_no_time_and_no_author() {
    let place = tempfile::tempdir().unwrap();
    let repository = history(place.path(), "sha1");
    let tree = Git::open(&repository, "main:deep", &GitOptions::default()).unwrap();
    let keys: Vec<_> = tree.metadata().0.keys().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
    assert_eq!(keys, ["git.tree"]);
    assert!(nodes(&tree).iter().all(|node| node.modified.seconds == 0));
    assert!(nodes(&tree).iter().any(|node| node.path == b"er/keep.tmp"));
}

#[test]
fn needs_git_what_is_no_commit_is_told() {
    let place = tempfile::tempdir().unwrap();
    let repository = history(place.path(), "sha1");
    let told = |path: &Path, revision: &str| match Git::open(path, revision, &GitOptions::default()) {
        Err(error @ Error::Git(..)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(told(&repository, "nowhere").contains("nowhere"));
    assert!(told(&repository, "main:read me").contains("neither a commit nor a tree"));
    assert!(told(&repository.join("deep"), "HEAD").contains("deep"));
    assert!(!Git::is_repository(&repository.join("deep")) && Git::is_repository(&repository));
    // An object that is gone is an error of the file that it is of.
    let blob = line(&repository, &["rev-parse", "main:long"]);
    let tree = Git::open(&repository, "main", &GitOptions::default()).unwrap();
    fs::remove_file(repository.join(".git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    let mut out = std::io::Cursor::new(Vec::new());
    let error = make(&tree, &Options::default(), &mut out, Path::new("x"), |_| {}).unwrap_err();
    assert!(matches!(&error, Error::Io(path, _) if path == Path::new("long")), "{error}");
}

/// Enters an object that Git would not make itself.
fn enter(repository: &Path, kind: &str, bytes: &[u8]) -> String {
    let mut enter = Command::new("git");
    enter.current_dir(repository).args(["hash-object", "-t", kind, "-w", "--literally", "--stdin"]);
    let mut enter = enter.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    enter.stdin.take().unwrap().write_all(bytes).unwrap();
    String::from_utf8(enter.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn needs_git_an_odd_commit_is_what_git_archives() {
    let place = tempfile::tempdir().unwrap();
    let repository = history(place.path(), "sha1");
    let tree = line(&repository, &["rev-parse", "v1^{tree}"]);
    let (whole, bare) = ("A <a@b> 1600000000 +0000", "A 1600000000 +0000");
    for (n, (rest, author)) in [
        (format!("author {whole}\ncommitter {bare}\n\nm\n"), Some(whole)),
        (format!("author {bare}\ncommitter {whole}\n\nm\n"), Some(bare)),
        (format!("author {whole}\nauthor {whole}\ncommitter {whole}\n\nm\n"), Some(whole)),
        (format!("author {whole}\n\nm\n"), Some(whole)),
        (format!("committer {whole}\n\nm\n"), None),
        (format!("author {whole}\ncommitter {whole}\n"), Some(whole)),
        ("author A <a <b> c> 5 +1\ncommitter A <a@b> 1600000000\nHG:x y\n\nm\n".into(), Some("A <a <b> c> 5 +1")),
    ]
    .into_iter()
    .enumerate()
    {
        let commit = enter(&repository, "commit", format!("tree {tree}\n{rest}").as_bytes());
        let (ours, theirs) = (place.path().join(format!("ours-{n}")), place.path().join(format!("theirs-{n}")));
        archive(&repository, &commit, &theirs);
        let tree = Git::open(&repository, &commit, &GitOptions::default()).unwrap();
        let image = image(&tree, &ours.with_extension("img"), &Options::default());
        extract(&image, &ours, Trust::default(), |_| {}).unwrap();
        assert_same(&contents(&ours), &contents(&theirs), &rest);
        assert_eq!(image.metadata().unwrap().value("git.author"), author.map(str::as_bytes), "{rest}");
    }
}

#[test]
fn needs_git_a_tag_of_a_tag_and_of_a_tree_is_what_it_leads_to() {
    let place = tempfile::tempdir().unwrap();
    let repository = history(place.path(), "sha1");
    git(&repository, &["tag", "-a", "of-a-tag", "-m", "t", "v1"]);
    git(&repository, &["tag", "-a", "of-a-tree", "-m", "t", "main:deep"]);
    git(&repository, &["tag", "-a", "of-its-tag", "-m", "t", "of-a-tree"]);
    let of = |revision: &str| {
        let tree = Git::open(&repository, revision, &GitOptions::default()).unwrap();
        (nodes(&tree), tree.metadata().clone())
    };
    assert!(of("of-a-tag") == of("v1"));
    assert!(of("of-a-tree") == of("main:deep") && of("of-its-tag") == of("main:deep"));
}

/// What `git archive` puts into its tar, and no file system takes.
#[test]
fn needs_git_what_no_folder_could_hold_is_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let repository = history(place.path(), "sha1");
    let made = |entries: &[(&str, &str, &[u8])]| {
        let mut tree = Vec::new();
        for (mode, name, bytes) in entries {
            let blob = enter(&repository, "blob", bytes);
            let id = (0..20).map(|at| u8::from_str_radix(&blob[2 * at..2 * at + 2], 16).unwrap());
            tree.extend(format!("{mode} {name}\0").into_bytes().into_iter().chain(id));
        }
        let tree = Git::open(&repository, &enter(&repository, "tree", &tree), &GitOptions::default())?;
        make(&tree, &Options::default(), &mut std::io::Cursor::new(Vec::new()), Path::new("x"), |_| {})
    };
    let told = |entries: &[_]| made(entries).unwrap_err().to_string();
    for target in [&b""[..], b"a\0b"] {
        let told = told(&[("120000", "link", target)]);
        assert!(told.starts_with("link is a symbolic link whose target is empty, has a NUL"), "{told}");
    }
    assert!(told(&[("100644", "a", b"1"), ("100644", "a", b"2")]).contains("a is there twice"));
    let long = "x".repeat(256);
    assert!(told(&[("100644", &long, b"1")]).contains(&format!("{long} cannot be a path in an image")));
    assert!(told(&[("100644", "a/b", b"1")]).contains("a/b is in no folder"));
    // Modes that Git does not write any more, and an order that it never does.
    made(&[("100664", "b", b"1"), ("0100755", "a", b"2")]).unwrap();
}

/// A tree of trees: 2^40 paths in 41 objects.
#[test]
fn needs_git_a_small_repository_cannot_stand_for_any_number_of_paths() {
    let place = tempfile::tempdir().unwrap();
    git(place.path(), &["init", "-q"]);
    let enter = |lines: &str| {
        let mut make = Command::new("git")
            .current_dir(place.path())
            .arg("mktree")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        make.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        String::from_utf8(make.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
    };
    let mut tree = enter("");
    for _ in 0..40 {
        tree = enter(&format!("040000 tree {tree}\ta\n040000 tree {tree}\tb\n"));
    }
    let error = Git::open(place.path(), &tree, &GitOptions { paths: 1000, ..GitOptions::default() }).unwrap_err();
    assert!(matches!(error, Error::TooMuch { .. }), "{error}");
}

#[test]
fn needs_git_the_command_takes_a_repository() {
    let place = tempfile::tempdir().unwrap();
    let repository = history(place.path(), "sha1");
    let run = |arguments: &[&OsStr]| {
        let output = Command::new(DOCTEUR).args(arguments).output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let file = place.path().join("a.img");
    let (image, source) = (file.as_os_str(), repository.as_os_str());
    assert!(run(&["make".as_ref(), source, image, "-b".as_ref(), "v1".as_ref()]).0);
    let (_, info) = run(&["info".as_ref(), image]);
    assert!(info.contains("git.commit") && info.contains("the first"), "{info}");
    assert!(run(&["make".as_ref(), source, image]).0, "HEAD without a name");
    assert!(run(&["ls".as_ref(), image, "vendor".as_ref()]).1.contains("sub"));
    assert!(run(&["make".as_ref(), source, image, "--folder".as_ref()]).0);
    assert!(run(&["ls".as_ref(), image]).1.contains(".git\n"), "the folder as it is");
    let (done, told) = run(&["make".as_ref(), place.path().as_os_str(), image, "-b".as_ref(), "v1".as_ref()]);
    assert!(!done && told.contains("repository"), "{told}");
}

#[test]
fn needs_git_a_commit_is_what_its_id_says() {
    let place = tempfile::tempdir().unwrap();
    let repository = history(place.path(), "sha1");
    let nodes = |tree: &Git| (nodes(tree), tree.metadata().clone());
    let before = nodes(&Git::open(&repository, "main", &GitOptions::default()).unwrap());
    git(&repository, &["replace", "main", "v1^{commit}"]);
    assert_ne!(line(&repository, &["rev-parse", "main^{tree}"]), text(&before.1, "git.tree"), "git takes the other");
    assert!(nodes(&Git::open(&repository, "main", &GitOptions::default()).unwrap()) == before);
}

fn text(metadata: &docteur::Metadata, key: &str) -> String {
    String::from_utf8_lossy(&metadata.0[key.as_bytes()]).into_owned()
}

/// Packed as a folder, its `.git` would be published, with the passwords that may be in there.
#[test]
fn needs_git_a_repository_that_cannot_be_opened_is_no_folder() {
    let place = tempfile::tempdir().unwrap();
    let image = place.path().join("image");
    for spoil in ["rm .git/HEAD", "echo '[bro ken' >> .git/config", "rm -r .git && echo 'gitdir: /nowhere' > .git"] {
        let repository = place.path().join("repository");
        fs::create_dir(&repository).unwrap();
        git(&repository, &["init", "-q"]);
        assert!(Command::new("sh").current_dir(&repository).args(["-ec", spoil]).status().unwrap().success());
        let make =
            |more: &[&str]| Command::new(DOCTEUR).arg("make").args([&repository, &image]).args(more).output().unwrap();
        let out = make(&[]);
        let told = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && told.contains("--folder"), "{spoil}: {told}");
        assert!(!image.exists(), "{spoil}");
        assert!(make(&["--folder"]).status.success(), "{spoil}");
        fs::remove_file(&image).unwrap();
        fs::remove_dir_all(repository).unwrap();
    }
}

#[test]
fn needs_git_references_in_a_reftable_are_told() {
    let place = tempfile::tempdir().unwrap();
    let (repository, image) = (place.path().join("r"), place.path().join("image"));
    fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "-q"]);
    git(&repository, &["commit", "-q", "--allow-empty", "-m", "nothing"]);
    let commit = line(&repository, &["rev-parse", "HEAD"]);
    // As Git makes it, from version 2.45 on.
    git(&repository, &["config", "core.repositoryFormatVersion", "1"]);
    git(&repository, &["config", "extensions.refStorage", "reftable"]);
    fs::write(repository.join(".git/HEAD"), b"ref: refs/heads/.invalid\n").unwrap();
    let make = |revision: &str| {
        let out =
            Command::new(DOCTEUR).arg("make").args([&repository, &image]).args(["-b", revision]).output().unwrap();
        (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (done, told) = make("HEAD");
    assert!(!done && told.contains("reftable") && told.contains("git refs migrate"), "{told}");
    let (done, told) = make(&commit);
    assert!(done, "{told}");
}

#[test]
fn needs_git_what_a_stranger_named_moves_no_cursor() {
    let place = tempfile::tempdir().unwrap();
    let (repository, image) = (history(place.path(), "sha1"), place.path().join("image"));
    let commit = line(&repository, &["rev-parse", "main"]);
    git(&repository, &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},a\u{1b}[31mb")]);
    git(&repository, &["commit", "-qm", "a submodule"]);
    assert!(Command::new(DOCTEUR).arg("make").args([&repository, &image]).status().unwrap().success());
    let info = String::from_utf8(Command::new(DOCTEUR).arg("info").arg(&image).output().unwrap().stdout).unwrap();
    assert!(info.contains("git.submodule.a\\u{1b}[31mb") && !info.contains('\u{1b}'), "{info:?}");
}
