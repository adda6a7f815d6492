//! The server's API v1 (design: "The life of a paste") over HTTP/1.1 and TLS, streaming both ways.

mod address;
mod download;
mod early;
mod upload;

use std::io::Read;
use std::time::Duration;

use api::{Claimed, Created, Id, Info, Problem, ServerLimits, Token, path};
use serde::de::DeserializeOwned;
use ureq::config::Config;
use ureq::http::{HeaderMap, Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body};

pub(crate) use address::{Place, server_address, token};
pub(crate) use download::{Access, Content};
pub(crate) use upload::{Failed, Upload};

use crate::failure::Failure;
use crate::human;
use early::Sending;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(20);
/// How long a connection may be silent: also while the server makes an upload durable.
const SILENCE: Duration = Duration::from_secs(120);
/// The longest JSON answer that is read, in bytes.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// A Pasteur server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    base: String,
    agent: Agent,
    sending: Sending,
}

impl Server {
    /// The server at an address that [`server_address`] or a link's reader checked. Nothing is connected yet.
    pub(crate) fn new(base: &str) -> Self {
        // A redirect is never followed: what goes out is meant for the host the user named.
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE))
            .user_agent(concat!("pasteur/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .build();
        let sending = Sending::default();
        let connector = DefaultConnector::new().chain(sending.clone());
        let agent = Agent::with_parts(config, connector, DefaultResolver::default());
        Self { base: base.to_owned(), agent, sending }
    }

    /// The address, as links begin.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// What the server allows.
    pub(crate) fn limits(&self) -> Result<ServerLimits, Failure> {
        self.document(self.agent.get(self.url(path::LIMITS)).call())
    }

    /// What anybody may know of a paste.
    pub(crate) fn info(&self, id: &Id) -> Result<Info, Failure> {
        self.document(self.agent.get(self.url(&path::paste(id))).call())
    }

    /// Claims a paste that burns: the one right to read it.
    pub(crate) fn claim(&self, id: &Id, read: &Token) -> Result<Claimed, Failure> {
        let request = self.agent.post(self.url(&path::claim(id)));
        self.document(request.header(header::AUTHORIZATION, bearer(read)).send_empty())
    }

    /// Deletes a paste with its delete token, or destroys a claimed one with its lease.
    pub(crate) fn delete(&self, id: &Id, token: &Token) -> Result<(), Failure> {
        let request = self.agent.delete(self.url(&path::paste(id)));
        self.answer(request.header(header::AUTHORIZATION, bearer(token)).call()).map(drop)
    }

    /// Creates a paste.
    pub(crate) fn create(&self, upload: Upload) -> Result<Created, Failure> {
        let mut request = self
            .agent
            .post(self.url(path::PASTES))
            .header(header::CONTENT_TYPE, upload.content_type())
            // A server that refuses does so before a byte of the content is sent.
            .header(header::EXPECT, "100-continue");
        if let Some(length) = upload.length() {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        let failed = upload.failed();
        let mut body = upload.into_body(self.sending.clone());
        let result = request.send(ureq::SendBody::from_reader(&mut body));
        // Where the input failed, the broken request is but its echo.
        if let Some(failure) = failed.take() {
            return Err(failure);
        }
        match (result, self.sending.why()) {
            (Err(_), Some(why)) => Err(self.network(format!("the connection broke off while sending: {why}"))),
            (result, _) => self.document(result),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn network(&self, why: String) -> Failure {
        Failure::Network { server: self.base.clone(), why }
    }

    fn not_pasteur(&self, why: impl Into<String>) -> Failure {
        Failure::NotPasteur { server: self.base.clone(), why: why.into() }
    }

    /// A successful answer, or the failure that it tells.
    fn answer(&self, result: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Failure> {
        let response = result.map_err(|e| self.network(explain(&e)))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response)) }
    }

    fn document<T: DeserializeOwned>(&self, result: Result<Response<Body>, ureq::Error>) -> Result<T, Failure> {
        let response = self.answer(result)?;
        let text = self.text(response)?;
        // The error of a JSON reader may quote what it read, and that may be a token.
        serde_json::from_slice(&text).map_err(|_| self.not_pasteur("an answer is not the document that belongs there"))
    }

    fn text(&self, response: Response<Body>) -> Result<zeroize::Zeroizing<Vec<u8>>, Failure> {
        let mut text = zeroize::Zeroizing::new(Vec::with_capacity(4096));
        let mut reader = response.into_body().into_reader().take(LONGEST_ANSWER + 1);
        reader.read_to_end(&mut text).map_err(|e| self.network(format!("the connection broke off: {e}")))?;
        if text.len() as u64 > LONGEST_ANSWER {
            return Err(self.not_pasteur(format!("an answer is longer than {LONGEST_ANSWER} bytes")));
        }
        Ok(text)
    }

    fn refusal(&self, response: Response<Body>) -> Failure {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = match self.text(response) {
            Ok(text) => text,
            Err(failure) => return failure,
        };
        match serde_json::from_slice::<Problem>(&text) {
            Ok(problem) => match api::Kind::from_uri(&problem.kind) {
                // Pasteur's, but not where its API is.
                Some(api::Kind::NoRoute) | None => self.not_pasteur(stranger(status, &headers)),
                Some(_) => Failure::Problem(Box::new(problem)),
            },
            Err(_) => self.not_pasteur(stranger(status, &headers)),
        }
    }
}

fn bearer(token: &Token) -> String {
    format!("Bearer {}", *token.encode())
}

/// What an answer says that no Pasteur server gives.
fn stranger(status: StatusCode, headers: &HeaderMap) -> String {
    let to = headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
    match to {
        Some(to) if status.is_redirection() => {
            format!("it sends on to {}; use that server's address", human::printable(to, false))
        }
        _ => format!("its answer is {status}; is the address right, with its path?"),
    }
}

/// The HTTP client's errors in words that a person understands.
fn explain(error: &ureq::Error) -> String {
    use std::io::ErrorKind as K;
    match error {
        ureq::Error::Io(e) if e.kind() == K::ConnectionRefused => {
            "no server listens there (connection refused)".to_owned()
        }
        ureq::Error::Io(e) if matches!(e.kind(), K::UnexpectedEof | K::ConnectionReset | K::BrokenPipe) => {
            "the connection broke off".to_owned()
        }
        ureq::Error::HostNotFound => "there is no host of that name".to_owned(),
        ureq::Error::Timeout(ureq::Timeout::Connect) => format!("no connection within {} s", CONNECT.as_secs()),
        ureq::Error::Timeout(_) => "the server was silent for too long".to_owned(),
        other => match other.to_string() {
            // What rustls says of bytes that are no TLS record.
            said if said.contains("InvalidContentType") => "no TLS is spoken there: is its address http://?".to_owned(),
            said => said,
        },
    }
}
