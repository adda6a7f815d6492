//! A server on loopback that keeps the forms it is sent, byte for byte, and can hand out pages that send some.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// A form as it was sent.
pub(crate) struct Sent {
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Recorder {
    url: String,
    sent: Receiver<Sent>,
}

impl Recorder {
    /// Answers every GET with `page`, and keeps every POST.
    pub(crate) fn start(page: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (to, sent) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let to = to.clone();
                // A browser opens more connections than it uses.
                thread::spawn(move || serve(stream.unwrap(), page, &to));
            }
        });
        Self { url, sent }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The next form.
    pub(crate) fn next(&self) -> Sent {
        self.sent.recv_timeout(Duration::from_secs(180)).expect("a form is sent")
    }
}

/// One request a connection; none where the client thinks better of it.
fn serve(stream: TcpStream, page: &str, to: &Sender<Sent>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&n| n > 0)?;
    let posts = line.starts_with("POST ");
    let (mut content_type, mut length, mut chunked, mut expects) = (String::new(), 0, false, false);
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-type", value) => content_type = value.to_owned(),
            ("content-length", value) => length = value.parse().ok()?,
            ("transfer-encoding", value) => chunked = value == "chunked",
            ("expect", _) => expects = true,
            _ => {}
        }
    }
    let mut stream = stream;
    if expects {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    if posts {
        let body = if chunked { unchunk(&mut reader)? } else { take(&mut reader, length)? };
        to.send(Sent { content_type, body }).ok()?;
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\nContent-Length: ";
    stream.write_all(format!("{head}{}\r\n\r\n{page}", page.len()).as_bytes()).ok()
}

fn take(reader: &mut impl Read, length: usize) -> Option<Vec<u8>> {
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn unchunk(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
        body.extend(take(reader, size)?);
        take(reader, 2)?;
        if size == 0 {
            return Some(body);
        }
    }
}
