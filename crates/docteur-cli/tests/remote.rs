//! Repositories elsewhere, which is on this machine: Git's own servers, and sshd. What is fetched has to be, byte for byte, the image of
//! the same commit in the local repository.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../docteur-make/tests/support/mod.rs"]
mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use support::repository::{git, history, line};

const DOCTEUR: &str = env!("CARGO_BIN_EXE_docteur");

/// The command `docteur make`, without the configuration of whoever runs the test: the image's root, or what went wrong.
fn make(home: &Path, source: &str, revision: Option<&str>, environment: &[(&str, &str)]) -> Result<String, String> {
    let image = home.join("made.img");
    let mut command = Command::new(DOCTEUR);
    command.args(["make", source]).arg(&image).args(["--level", "1", "--threads", "1"]);
    if let Some(revision) = revision {
        command.args(["-b", revision]);
    }
    command.env("HOME", home).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_TERMINAL_PROMPT", "0").env("TMPDIR", home.join("tmp")).stdin(Stdio::null());
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    fs::create_dir_all(home.join("tmp")).unwrap();
    let output = command.envs(environment.iter().copied()).output().unwrap();
    assert_eq!(fs::read_dir(home.join("tmp")).unwrap().count(), 0, "what was fetched is removed");
    if output.status.success() {
        let told = String::from_utf8(output.stdout).unwrap();
        return Ok(told.trim_end().rsplit(' ').next().unwrap().to_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Answers each connection on a thread of its own, for as long as the test runs; gives the port.
fn listen(answer: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || answer(stream));
        }
    });
    port
}

/// Runs a server on a connection, as inetd did.
fn inetd(command: &mut Command, stream: TcpStream) {
    let fd = OwnedFd::from(stream);
    let mut server = command.stdin(fd.try_clone().unwrap()).stdout(fd).stderr(Stdio::null()).spawn().unwrap();
    server.wait().unwrap();
}

/// One request of HTTP/1.1, answered by `git http-backend`.
fn http(mut stream: impl Read + Write, root: &Path) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let (request, headers) = head.split_once("\r\n")?;
    let header = |name: &str| {
        let mut fields = headers.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).unwrap_or_default()
    };
    let mut words = request.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    assert!(header("transfer-encoding").is_empty(), "requests have a length");
    stream.read_exact(&mut body).ok()?;
    let mut backend = Command::new("git");
    backend.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    backend.env("GIT_CONFIG_GLOBAL", "/dev/null").env("REMOTE_ADDR", "127.0.0.1");
    backend.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query);
    backend.env("CONTENT_TYPE", header("content-type")).env("CONTENT_LENGTH", body.len().to_string());
    backend.env("HTTP_CONTENT_ENCODING", header("content-encoding")).env("GIT_PROTOCOL", header("git-protocol"));
    let mut backend = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut to = backend.stdin.take()?;
    let writer = thread::spawn(move || to.write_all(&body));
    let output = backend.wait_with_output().ok()?;
    let _ = writer.join();
    let end = output.stdout.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let headers = String::from_utf8_lossy(&output.stdout[..end]);
    let status = headers.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let body = &output.stdout[end + 4..];
    write!(stream, "HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())
        .ok()?;
    stream.write_all(body).ok()?;
    stream.flush().ok()
}

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
