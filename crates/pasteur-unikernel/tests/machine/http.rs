//! One request over one connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The answer's status and all of it as text; 0 where there was none.
pub(crate) fn request(port: u16, method: &str, path: &str) -> (u16, String) {
    let answer = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = String::from_utf8_lossy(&answer().unwrap_or_default()).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, answer)
}
