//! Ctrl-C at `pasteur unikernel run` is heard by the server: what is open finishes, or is cut by who asks again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use api::{Created, Token, path};

use crate::client::{KIND, bearer, content, form};
use crate::http::Connection;
use crate::machine::{blank, free_port, image};
use crate::program::binary;

const SIZE: usize = 1 << 20;

/// The command, and its machine.
struct Run {
    child: Child,
    said: BufReader<ChildStdout>,
    port: u16,
}

impl Run {
    fn start(store: &Path, options: &[&str]) -> Self {
        let port = free_port();
        let mut command = Command::new(binary());
        command.args(["unikernel", "run"]).arg(image()).arg("--disk").arg(store).args(["--accelerator", "tcg"]);
        command.args(["--publish", &format!("{port}:80")]).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let mut run = Self { child, said, port };
        run.until("listening on http://127.0.0.1:");
        run
    }

    /// Waits until it says this.
    fn until(&mut self, words: &str) {
        let mut said = String::new();
        while !said.contains(words) {
            assert!(self.said.read_line(&mut said).unwrap() > 0, "it never says {words}: {said}");
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for its end: the rest of what it said, what it told, and its exit code.
    fn ended(mut self) -> (String, String, Option<i32>) {
        let (mut said, mut told) = (String::new(), String::new());
        self.said.read_to_string(&mut said).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        (said, told, self.child.wait().unwrap().code())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Where it has ended there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An upload that the server has taken up, and that has come as far as its middle, and the other half of it.
fn half(port: u16, read: &Token) -> (TcpStream, Vec<u8>) {
    let mut form = form(read, false, SIZE);
    let rest = form.split_off(form.len() / 2);
    let head = format!("POST {} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n{KIND}\r\n", path::PASTES);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "{head}content-length: {}\r\n\r\n", form.len() + rest.len()).unwrap();
    let (go_on, mut told) = ("HTTP/1.1 100 Continue\r\n\r\n", Vec::new());
    Read::by_ref(&mut stream).take(go_on.len() as u64).read_to_end(&mut told).unwrap();
    assert_eq!(String::from_utf8_lossy(&told), go_on);
    stream.write_all(&form).unwrap();
    (stream, rest)
}

#[test]
fn needs_qemu_an_upload_that_goes_on_at_ctrl_c_finishes() {
    let folder = tempfile::tempdir().unwrap();
    for (machine, signal) in [("microvm", "INT"), ("q35", "TERM")] {
        let store = blank(folder.path(), machine, 32 << 20);
        let read = Token::new([7; 32]);
        let mut run = Run::start(&store, &["--machine", machine]);
        let (mut upload, rest) = half(run.port, &read);
        run.signal(signal);
        run.until("stopping: open requests may finish");
        upload.write_all(&rest).unwrap();
        let mut answer = String::new();
        upload.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201 "), "{machine}: {answer}");
        let (said, told, code) = run.ended();
        assert!(said.contains("stopped") && code == Some(0), "{machine}, {code:?}: {said} {told}");
        let asked = format!("pasteur: SIG{signal}: the unikernel is asked to stop; a second signal turns it off\n");
        assert_eq!(told, asked, "{machine}");
        let Created { id, .. } = serde_json::from_str(answer.lines().last().unwrap()).unwrap();
        let run = Run::start(&store, &["--machine", machine]);
        let kept = Connection::new(run.port).ask("GET", &path::content(&id), &[bearer(&read)], &[]).unwrap();
        assert!(kept.status == 200 && kept.body == content(&read, SIZE), "{machine}: {}", kept.head);
    }
}

#[test]
fn needs_qemu_who_asks_again_or_waits_for_long_has_the_machine_turned_off() {
    let folder = tempfile::tempdir().unwrap();
    let store = blank(folder.path(), "store", 32 << 20);
    for grace in ["1h", "1s"] {
        let mut run = Run::start(&store, &["--grace", grace]);
        let upload = half(run.port, &Token::new([7; 32]));
        run.signal("INT");
        run.until("stopping: open requests may finish");
        if grace == "1h" {
            run.signal("INT");
        }
        let (said, told, code) = run.ended();
        assert!(
            told.ends_with("pasteur: the machine was turned off (SIGINT)\n") && code == Some(0),
            "{code:?}: {told}"
        );
        assert_eq!(told.contains("the unikernel did not stop within 1 s"), grace == "1s", "{told}");
        assert!(!said.contains("stopped"), "{said}");
        drop(upload);
    }
}
