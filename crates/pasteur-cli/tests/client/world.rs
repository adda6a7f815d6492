//! A server with a store of its own, and commands run against it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The program under test.
pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_pasteur");
/// Far longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct World {
    pub(crate) base: String,
    pub(crate) dir: TempDir,
    server: Child,
    log: Option<thread::JoinHandle<String>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// A server started with these further options.
    pub(crate) fn with(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let site = dir.path().join("site.img");
        let mut image = docteur_make::Writer::new();
        for page in ["/index.html", "/paste.html"] {
            image.add(page, "text/html; charset=utf-8", b"<title>test</title>".to_vec()).unwrap();
        }
        fs::write(&site, image.finish().unwrap()).unwrap();
        let mut server = Command::new(BIN)
            .arg("serve")
            .args(["--listen", "127.0.0.1:0", "--create-rate", "0"])
            .arg("--store")
            .arg(dir.path().join("store.redb"))
            .arg("--site")
            .arg(&site)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = server.stderr.take().unwrap();
        let log = thread::spawn(move || {
            let mut log = Vec::new();
            let _ = stderr.read_to_end(&mut log);
            String::from_utf8_lossy(&log).into_owned()
        });
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { base, dir, server, log: Some(log) }
    }

    /// A path in this world's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file in this world's folder.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A command, its server and history this world's.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BIN);
        command
            .args(arguments)
            .env("PASTEUR_SERVER", &self.base)
            .env("XDG_STATE_HOME", self.path("state"))
            // Loopback is reached directly, whatever proxy this machine has.
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .current_dir(self.dir.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, b"")
    }

    /// Runs a command to its end with this on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ran {
        self.finish(self.command(arguments), input)
    }

    /// The same with a command that was made before.
    pub(crate) fn finish(&self, mut command: Command, input: &[u8]) -> Ran {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = thread::spawn(move || {
            // A command that ends early reads no further.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ran(output)
    }

    /// Puts, and gives the link.
    pub(crate) fn put(&self, arguments: &[&str], input: &[u8]) -> String {
        let ran = self.run_with(&[&["put"], arguments].concat(), input);
        ran.ok().link()
    }

    /// What the server has logged, once it has stopped, and its store's bytes.
    pub(crate) fn remains(mut self) -> (String, Vec<u8>) {
        let _ = Command::new("kill").arg(self.server.id().to_string()).status();
        let until = Instant::now() + PATIENCE;
        while self.server.try_wait().unwrap().is_none() && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.server.kill();
        let log = self.log.take().unwrap().join().unwrap();
        (log, fs::read(self.path("store.redb")).unwrap())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A command that has ended.
pub(crate) struct Ran(pub(crate) Output);

impl Ran {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Asserts success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code(), 0, "{}{}", self.out(), self.err());
        self
    }

    /// Asserts this exit code, and words in the one line of the error.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code(), code, "{}{}", self.out(), self.err());
        for word in words {
            assert!(self.err().contains(word), "no {word:?} in {:?}", self.err());
        }
    }

    /// The last line of standard output.
    pub(crate) fn link(&self) -> String {
        self.out().lines().last().unwrap().to_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.0.stdout).unwrap()
    }
}

/// Bytes that no compressor or accident makes alike.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The names in a folder, sorted; none if there is no folder.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
