//! One HTTP/1.1 request on a connection of its own: to chromedriver, and to the server as crawlers make them.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Sends one request and reads its whole answer. Nothing is followed, stored or retried.
///
/// # Errors
/// The connection, the request or the answer failed.
pub async fn request(
    to: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<Response> {
    let stream = TcpStream::connect(to).await.with_context(|| format!("connecting to {to}"))?;
    request_by(stream, to, method, path, headers, body).await
}

/// The same over a connection that is there.
pub(crate) async fn request_by(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    to: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<Response> {
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::builder().method(&method).uri(path).header("host", to.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = async {
        let (head, body) = send.send_request(request.body(Full::new(Bytes::from(body)))?).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        anyhow::Ok(Response { status: head.status, headers: head.headers, body })
    }
    .await
    .with_context(|| format!("{method} {to}{path}"));
    connection.abort();
    answer
}
