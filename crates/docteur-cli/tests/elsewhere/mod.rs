//! Git's servers on this machine, and `docteur make` of what they serve.
#![allow(dead_code, reason = "each test uses some of it")]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

const DOCTEUR: &str = env!("CARGO_BIN_EXE_docteur");

/// The command `docteur make`, without the configuration of whoever runs the test: the image's root, or what went wrong.
pub(crate) fn make(
    home: &Path,
    source: &str,
    revision: Option<&str>,
    environment: &[(&str, &str)],
) -> Result<String, String> {
    let revision = revision.map_or_else(Vec::new, |revision| vec!["-b", revision]);
    make_with(home, source, &revision, environment)
}

/// The same with any options.
pub(crate) fn make_with(
    home: &Path,
    source: &str,
    options: &[&str],
    environment: &[(&str, &str)],
) -> Result<String, String> {
    let image = home.join("made.img");
    let mut command = Command::new(DOCTEUR);
    command.args(["make", source]).arg(&image).args(["--level", "1", "--threads", "1"]);
    command.args(options);
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
pub(crate) fn listen(answer: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
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
pub(crate) fn inetd(command: &mut Command, stream: TcpStream) {
    let fd = OwnedFd::from(stream);
    let mut server = command.stdin(fd.try_clone().unwrap()).stdout(fd).stderr(Stdio::null()).spawn().unwrap();
    server.wait().unwrap();
}

/// One request of HTTP/1.1, answered by `git http-backend`.
pub(crate) fn http(mut stream: impl Read + Write, root: &Path) -> Option<()> {
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
