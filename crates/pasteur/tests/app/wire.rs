//! A client that writes the bytes it is told to, and reads answers.

use std::io;
use std::sync::LazyLock;
use std::time::Duration;

use api::{Kind, Problem};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

/// Far longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Client {
    pub(crate) flow: DuplexStream,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Said {
        let request = request.as_ref();
        let has_body = !request.starts_with(b"HEAD ");
        // An early refusal may come while the rest is being written.
        let (mut read, mut write) = tokio::io::split(&mut self.flow);
        let sending = async {
            let _ = write.write_all(request).await;
        };
        let ((), said) = tokio::join!(sending, timeout(PATIENCE, answer(&mut read, has_body)));
        let said = said.expect("no answer came").expect("the connection ended before an answer");
        is_described(request, said.status);
        said
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.flow.write_all(bytes.as_ref()).await
    }

    pub(crate) async fn read(&mut self) -> Said {
        timeout(PATIENCE, answer(&mut self.flow, true)).await.expect("no answer came").expect("the connection ended")
    }

    /// Sends no more, and waits for the answer.
    pub(crate) async fn end(&mut self) -> Said {
        self.flow.shutdown().await.unwrap();
        self.read().await
    }

    /// Reads what comes, until nothing has for a while; gives how many bytes it was.
    pub(crate) async fn drain(&mut self) -> usize {
        let mut all = Vec::new();
        let _ = timeout(Duration::from_millis(300), self.flow.read_to_end(&mut all)).await;
        all.len()
    }

    /// Whether the connection ends without another byte.
    pub(crate) async fn is_over(&mut self) -> bool {
        let mut byte = [0];
        !matches!(timeout(PATIENCE, self.flow.read(&mut byte)).await.expect("the connection stays open"), Ok(1))
    }
}

async fn answer(flow: &mut (impl AsyncReadExt + Unpin), has_body: bool) -> io::Result<Said> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(flow.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut said = Said { status, headers, body: Vec::new() };
    if status == 100 {
        return Box::pin(answer(flow, has_body)).await;
    }
    if has_body && let Some(len) = said.header("content-length") {
        said.body = vec![0; len.parse().unwrap()];
        flow.read_exact(&mut said.body).await?;
    }
    Ok(said)
}

/// Fails where the API's description has the operation, but not this answer to it.
fn is_described(request: &[u8], status: u16) {
    static DOCUMENT: LazyLock<serde_json::Value> = LazyLock::new(pasteur::openapi_document);
    let line = request.split(|&b| b == b'\r').next().and_then(|line| str::from_utf8(line).ok()).unwrap_or_default();
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let method = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
    let path = target.split('?').next().unwrap_or_default();
    let path: Vec<&str> =
        path.split('/').map(|part| if part.parse::<api::Id>().is_ok() { "{id}" } else { part }).collect();
    let operation = &DOCUMENT["paths"][path.join("/")][method];
    assert!(
        operation.is_null() || !operation["responses"][status.to_string()].is_null(),
        "{line}: {status} is not described"
    );
}

impl Said {
    /// A header's value; fails where it comes twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} comes twice");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as a document, once the status is as expected.
    pub(crate) fn json<T: DeserializeOwned>(&self, status: u16) -> T {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body as a problem of this kind.
    pub(crate) fn problem(&self, kind: Kind) -> Problem {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        let (_, status, title) = kind.facts();
        assert_eq!((problem.kind.as_str(), problem.title.as_str()), (kind.uri().as_str(), title), "{problem:?}");
        assert_eq!((problem.status, self.status), (status, status), "{problem:?}");
        problem
    }
}
