//! The real `pasteur`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::certificate::CHAIN;

pub(crate) fn binary() -> PathBuf {
    std::env::var_os("PASTEUR_BIN")
        .expect("PASTEUR_BIN does not name the program `pasteur`; `cargo xtask test` builds it and sets it")
        .into()
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: String,
}

/// A call, with a home of its own in `folder`, that believes the certificate there.
pub(crate) fn pasteur(folder: &Path, arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = Command::new(binary())
        .args(arguments)
        .env("HOME", folder)
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("SSL_CERT_FILE", folder.join(CHAIN))
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not want its input closes it.
    let _ = child.stdin.take().unwrap().write_all(input);
    let ended = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
    Ran { code: ended.status.code().unwrap_or(-1), output: ended.stdout, errors }
}

/// Puts a text and gives its link.
pub(crate) fn put(folder: &Path, server: &str, text: &str, more: &[&str]) -> String {
    let ran = pasteur(folder, &[&["put", "--server", server], more].concat(), text.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.errors);
    String::from_utf8(ran.output).unwrap().lines().last().unwrap().to_owned()
}

/// Gets a text, which has to be there.
pub(crate) fn get(folder: &Path, link: &str) -> String {
    let ran = pasteur(folder, &["get", link], b"");
    assert_eq!(ran.code, 0, "{}", ran.errors);
    String::from_utf8(ran.output).unwrap()
}

/// A link to the same paste at another server.
pub(crate) fn at(link: &str, server: &str) -> String {
    let (_, rest) = link.rsplit_once('/').unwrap();
    format!("{server}/{rest}")
}

/// A server on this machine. It is killed when dropped.
pub(crate) struct Host {
    child: Child,
    pub(crate) origin: String,
}

impl Host {
    pub(crate) fn start(store: &Path) -> Self {
        let mut child = Command::new(binary())
            .args(["serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(store)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let origin = said.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).unwrap();
        Self { child, origin }
    }

    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Where it has ended there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
