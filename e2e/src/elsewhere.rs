//! All the world but this machine: a proxy that connects nobody and remembers who was asked for.
//!
//! Chromium sends what is not for a loopback address here, so that a request to another host is seen whoever makes it:
//! the page, its workers, a prefetch.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The hosts that Chromium itself asks for in spite of the switches that tell it not to; no page can name them as its
/// own, since the browser's log of a page's requests is looked through as well.
const BROWSERS_OWN: [&str; 4] = ["google.com", "googleapis.com", "gvt1.com", "gstatic.com"];

/// A proxy that answers 403 to everything.
pub(crate) struct Elsewhere {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Elsewhere {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(refuse(stream, Arc::clone(&list)));
            }
        });
        Ok(Self { address, asked, task })
    }

    /// The first lines of the requests for other hosts, Chromium's own left out.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|line| !is_browsers_own(line)).cloned().collect()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn refuse(stream: TcpStream, asked: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    // A peer that leaves is no request.
    if stream.read_line(&mut line).await.is_err() || line.is_empty() {
        return;
    }
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(line.trim_end().to_owned());
    let mut rest = String::new();
    while stream.read_line(&mut rest).await.is_ok_and(|n| n > 2) {
        rest.clear();
    }
    let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
}

/// Whether a request line (`CONNECT host:port HTTP/1.1` or `GET http://host/path HTTP/1.1`) is for one of
/// [`BROWSERS_OWN`].
fn is_browsers_own(line: &str) -> bool {
    let target = line.split(' ').nth(1).unwrap_or_default();
    let host = target.split_once("://").map_or(target, |(_, rest)| rest).split(['/', ':']).next().unwrap_or_default();
    BROWSERS_OWN.iter().any(|own| host == *own || host.strip_suffix(own).is_some_and(|h| h.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_browsers_own_hosts_are_left_out() {
        assert!(is_browsers_own("CONNECT accounts.google.com:443 HTTP/1.1"));
        assert!(is_browsers_own("GET http://clients2.google.com/time HTTP/1.1"));
        assert!(!is_browsers_own("CONNECT notgoogle.com:443 HTTP/1.1"));
        assert!(!is_browsers_own("GET http://example.org/google.com HTTP/1.1"));
    }
}
