//! Requests over one connection.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// An answer that came as a whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// A connection to a port of this machine, which is made when it is first needed.
#[derive(Debug)]
pub(crate) struct Connection {
    port: u16,
    stream: Option<BufReader<TcpStream>>,
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

impl Connection {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, stream: None }
    }

    /// Asks, with these lines in the head beside what every request needs; `None` where no whole answer came.
    pub(crate) fn ask(&mut self, method: &str, path: &str, head: &[String], body: &[u8]) -> Option<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufReader::new(connect(self.port).ok()?),
        };
        let answer = exchange(&mut stream, method, path, head, body).ok()?;
        self.stream = Some(stream);
        Some(answer)
    }
}

/// QEMU's own network takes one connection at a time, and what comes meanwhile would wait for a second.
fn connect(port: u16) -> io::Result<TcpStream> {
    let place = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut tries = (0..50).map(|_| TcpStream::connect_timeout(&place, Duration::from_millis(100)));
    let stream = tries.find(|tried| !tried.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut));
    let stream = stream.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn exchange(
    stream: &mut BufReader<TcpStream>,
    method: &str,
    path: &str,
    head: &[String],
    body: &[u8],
) -> io::Result<Answer> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n", body.len());
    for line in head {
        request += &format!("{line}\r\n");
    }
    stream.get_mut().write_all(&[request.as_bytes(), b"\r\n", body].concat())?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut words = head.split(' ');
    let status = words.nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(Ok(0), str::parse).map_err(io::Error::other)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Answer { status, head, body })
}

/// The status of one answer and all of it as text; 0 where there was none.
pub(crate) fn request(port: u16, method: &str, path: &str) -> (u16, String) {
    let answer = Connection::new(port).ask(method, path, &[], &[]);
    answer.map_or_else(Default::default, |answer| (answer.status, answer.head + &String::from_utf8_lossy(&answer.body)))
}
