//! Repositories elsewhere, which is on this machine: Git's own servers, and sshd. What is fetched has to be, byte for byte, the image of
//! the same commit in the local repository.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../docteur-make/tests/support/mod.rs"]
mod support;

mod elsewhere;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use elsewhere::{http, inetd, listen, make};
use support::repository::{git, history, line};

/// What a source gives, by the names of revisions that can be asked for elsewhere.
fn assert_gives_the_same(place: &Path, repository: &Path, source: &str, environment: &[(&str, &str)]) {
    let id = line(repository, &["rev-parse", "side"]);
    let first = line(repository, &["rev-parse", "main~1"]);
    for revision in [None, Some("main"), Some("side"), Some("v1"), Some("refs/tags/v1"), Some(&*id), Some(&*first)] {
        let local = make(place, repository.to_str().unwrap(), revision, &[]).unwrap();
        let remote = make(place, source, revision, environment);
        assert_eq!(remote.as_ref(), Ok(&local), "{source} {revision:?}");
    }
    let told = make(place, source, Some("nowhere"), environment).unwrap_err();
    assert!(told.contains("nowhere"), "{told}");
    let told = make(place, &format!("{source}-not"), None, environment).unwrap_err();
    assert!(told.contains("-not"), "{told}");
}

/// A repository that is served from a folder of its own.
fn served(place: &Path, format: &str) -> (PathBuf, PathBuf) {
    let repository = history(place, format);
    let root = place.join("served");
    git(place, &["clone", "-q", "--bare", "repository", "served/r.git"]);
    git(&root.join("r.git"), &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    (repository, root)
}

#[test]
fn needs_git_a_commit_comes_over_http() {
    for format in ["sha1", "sha256"] {
        let place = tempfile::tempdir().unwrap();
        let (repository, root) = served(place.path(), format);
        let port = listen(move |stream| _ = http(stream, &root));
        assert_gives_the_same(place.path(), &repository, &format!("http://127.0.0.1:{port}/r.git"), &[]);
    }
}

#[test]
fn needs_git_a_tree_elsewhere_is_told_from_a_commit() {
    let place = tempfile::tempdir().unwrap();
    let (_, root) = served(place.path(), "sha1");
    let bare = root.join("r.git");
    git(&bare, &["tag", "-a", "of-a-tree", "-m", "t", "main:deep"]);
    let (tree, blob) = (line(&bare, &["rev-parse", "main:deep"]), line(&bare, &["rev-parse", "main:long"]));
    let port = listen(move |stream| _ = http(stream, &root));
    for revision in ["of-a-tree", "refs/tags/of-a-tree", &tree, &blob] {
        let told = make(place.path(), &format!("http://127.0.0.1:{port}/r.git"), Some(revision), &[]).unwrap_err();
        let words =
            format!("{revision}: it is no commit and no tag of one, and nothing else is fetched from elsewhere");
        assert!(told.contains(&words), "{told}");
    }
}

#[test]
fn needs_git_a_commit_comes_over_https_if_the_certificate_is_trusted() {
    let place = tempfile::tempdir().unwrap();
    let (repository, root) = served(place.path(), "sha1");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let trusted = place.path().join("ca.pem");
    fs::write(&trusted, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let port = listen(move |stream| {
        let connection = rustls::ServerConnection::new(config.clone()).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let _ = http(&mut stream, &root);
        stream.conn.send_close_notify();
        let _ = stream.flush();
    });
    let url = format!("https://localhost:{port}/r.git");
    let environment = [("SSL_CERT_FILE", trusted.to_str().unwrap()), ("SSL_CERT_DIR", place.path().to_str().unwrap())];
    let local = make(place.path(), repository.to_str().unwrap(), Some("v1"), &[]).unwrap();
    assert_eq!(make(place.path(), &url, Some("v1"), &environment), Ok(local));
    let told = make(place.path(), &url, Some("v1"), &[]).unwrap_err();
    assert!(told.contains("certificate"), "{told}");
}

#[test]
fn needs_git_a_commit_comes_from_git_daemon() {
    let place = tempfile::tempdir().unwrap();
    let (repository, root) = served(place.path(), "sha1");
    let port = listen(move |stream| {
        let mut daemon = Command::new("git");
        daemon.args(["daemon", "--inetd", "--export-all"]).arg(format!("--base-path={}", root.display()));
        inetd(daemon.env("GIT_CONFIG_GLOBAL", "/dev/null"), stream);
    });
    assert_gives_the_same(place.path(), &repository, &format!("git://127.0.0.1:{port}/r.git"), &[]);
}

#[test]
fn needs_git_a_file_url_is_the_repository_at_its_path() {
    let place = tempfile::tempdir().unwrap();
    let (repository, root) = served(place.path(), "sha256");
    assert_gives_the_same(place.path(), &repository, &format!("file://{}/r.git", root.display()), &[]);
    let escaped = format!("file://{}/%72%2Egit", root.display());
    let local = make(place.path(), repository.to_str().unwrap(), Some("main"), &[]);
    assert_eq!(make(place.path(), &escaped, Some("main"), &[]), local);
}

#[test]
fn needs_sshd_a_commit_comes_over_ssh() {
    let place = tempfile::tempdir().unwrap();
    let (repository, root) = served(place.path(), "sha1");
    let at = |name: &str| place.path().join(name);
    for key in ["host", "client"] {
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(key)).status();
        assert!(made.unwrap().success());
    }
    let config = format!(
        "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nPidFile none\nAllowUsers *\nPermitUserEnvironment no\n",
        at("host").display(),
        at("client.pub").display()
    );
    fs::write(at("config"), config).unwrap();
    // For root, sshd wants a folder that only a service's start makes.
    let _ = fs::create_dir_all("/run/sshd");
    let sshd = String::from_utf8(
        Command::new("sh").args(["-c", "PATH=$PATH:/usr/sbin command -v sshd"]).output().unwrap().stdout,
    );
    let (sshd, config) = (sshd.unwrap().trim().to_owned(), at("config"));
    assert!(!sshd.is_empty(), "sshd is installed");
    let port = listen(move |stream| inetd(Command::new(&sshd).args(["-i", "-f"]).arg(&config), stream));
    let ssh = format!(
        "ssh -F none -i {} -p {port} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
         -o GlobalKnownHostsFile=/dev/null",
        at("client").display()
    );
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let environment = [("GIT_SSH_COMMAND", ssh.as_str())];
    let path = format!("{}/r.git", root.display());
    assert_gives_the_same(place.path(), &repository, &format!("{}@127.0.0.1:{path}", user.trim()), &environment);
    let local = make(place.path(), repository.to_str().unwrap(), Some("v1"), &[]);
    let url = format!("ssh://{}@127.0.0.1:{port}{path}", user.trim());
    assert_eq!(make(place.path(), &url, Some("v1"), &environment), local);
}
