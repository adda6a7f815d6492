//! A server's process and its folder.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Far longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with a site; servers come and go in it.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut image = docteur_make::Writer::new();
        for page in ["/index.html", "/paste.html"] {
            image.add(page, "text/html; charset=utf-8", b"<title>test</title>".to_vec()).unwrap();
        }
        fs::write(folder.path().join("site.img"), image.finish().unwrap()).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// `pasteur serve` with this store, this site, a free port, and these options.
    pub(crate) fn command(&self, options: &[&str]) -> Command {
        let mut command = self.bare(&["--listen", "127.0.0.1:0"]);
        command.arg("--store").arg(self.path("store.redb")).arg("--site").arg(self.path("site.img")).args(options);
        command
    }

    /// `pasteur serve` with nothing but these options.
    pub(crate) fn bare(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pasteur"));
        command.arg("serve").args(options).current_dir(self.folder.path());
        command
    }

    pub(crate) fn start(&self, options: &[&str]) -> Server {
        Server::start(self.command(options))
    }
}

/// Runs what has to fail; gives its exit code and what it said.
pub(crate) fn fails(mut command: Command) -> (i32, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let code = wait(&mut child);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (code, said)
}

/// Waits for a process to end; one that does not is killed, and fails the test.
fn wait(child: &mut Child) -> i32 {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        if Instant::now() > until {
            let _ = child.kill();
            panic!("the server does not end");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// A server that listens.
pub(crate) struct Server {
    child: Child,
    /// Kept open, so that the server may write to it.
    _stdout: BufReader<ChildStdout>,
    pub(crate) addresses: Vec<String>,
    log: Option<thread::JoinHandle<String>>,
}

impl Server {
    pub(crate) fn start(command: Command) -> Self {
        Self::listening(command, 1)
    }

    /// Starts a server and waits until it has told `count` addresses.
    pub(crate) fn listening(mut command: Command, count: usize) -> Self {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        Self::run(command, count)
    }

    /// Starts a server whose standard input and standard error are set already.
    pub(crate) fn given(command: Command) -> Self {
        Self::run(command, 1)
    }

    fn run(mut command: Command, count: usize) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take();
        let log = thread::spawn(move || {
            let mut log = String::new();
            let _ = stderr.map(|mut stderr| stderr.read_to_string(&mut log));
            log
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut addresses = Vec::new();
        for _ in 0..count {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            let Some((_, address)) = line.trim().split_once("://") else { panic!("{line:?} {}", log.join().unwrap()) };
            addresses.push(address.to_owned());
        }
        Self { child, _stdout: stdout, addresses, log: Some(log) }
    }

    /// The memory it has now, in bytes.
    pub(crate) fn resident(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.addresses[0]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.get_at(0, path)
    }

    pub(crate) fn get_at(&self, address: usize, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.addresses[address]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
        rest(&mut stream)
    }

    /// Makes a paste and gives its id.
    pub(crate) fn paste(&self, content: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(&creation(content)).unwrap();
        id_in(&rest(&mut stream))
    }

    /// Makes a paste, unless the server ends meanwhile.
    pub(crate) fn try_paste(&self, content: &[u8]) -> Option<String> {
        let mut stream = TcpStream::connect(&self.addresses[0]).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(&creation(content)).ok()?;
        let answer = rest(&mut stream);
        answer.ends_with('}').then(|| id_in(&answer))
    }

    /// What is told of a paste.
    pub(crate) fn info(&self, id: &str) -> String {
        self.get(&format!("/api/v1/pastes/{id}"))
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end: the exit code and the log.
    pub(crate) fn ended(mut self) -> (i32, String) {
        let code = wait(&mut self.child);
        (code, self.log.take().unwrap().join().unwrap())
    }

    /// Ends it in an orderly way.
    pub(crate) fn end(self) {
        self.signal("TERM");
        let (code, log) = self.ended();
        assert_eq!(code, 0, "{log}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything up to the connection's end.
pub(crate) fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // An end that is not orderly is one too.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A request that creates a paste and closes the connection.
pub(crate) fn creation(content: &[u8]) -> Vec<u8> {
    let body = form(content);
    let head = format!(
        "POST /api/v1/pastes HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: {FORM}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// The type of [`form`].
pub(crate) const FORM: &str = "multipart/form-data; boundary=b";

/// The body of a request that creates a paste.
pub(crate) fn form(content: &[u8]) -> Vec<u8> {
    let fields = [
        ("header", r#"{"v":1,"kdf":null,"burn":false,"comments":false}"#),
        // The hash of a token of zeros.
        ("read", "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU"),
        ("expires_in", "3600"),
    ];
    let part = |name: &str| format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n");
    let mut body: Vec<u8> = Vec::new();
    for (name, value) in fields {
        body.extend(format!("{}{value}\r\n", part(name)).into_bytes());
    }
    body.extend(part("content").into_bytes());
    body.extend(content);
    body.extend(b"\r\n--b--\r\n");
    body
}

/// The id in the answer to a creation.
pub(crate) fn id_in(answer: &str) -> String {
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let (_, rest) = answer.split_once("\"id\":\"").unwrap();
    rest[..12].to_owned()
}
