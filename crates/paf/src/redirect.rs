//! Sends plain HTTP to HTTPS.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, LOCATION};
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use tower_service::Service;

use crate::http::Body;
use crate::tls::Challenges;

/// A handler that answers every request with the same address under `https` (308, so that the method stays).
#[derive(Clone, Debug)]
pub struct Redirect {
    port: u16,
    challenges: Challenges,
}

/// The body of its answers: none, or what an authority asked for.
#[derive(Clone, Debug, Default)]
pub struct Short(Bytes);

impl Redirect {
    /// Redirects to the host that was asked for, at `port`.
    #[must_use]
    pub fn to_port(port: u16) -> Self {
        Self { port, challenges: Challenges::default() }
    }

    /// Shows `challenges` to authorities that ask by HTTP-01 (RFC 8555 section 8.3), in place of the redirect.
    #[must_use]
    pub fn with_challenges(mut self, challenges: Challenges) -> Self {
        self.challenges = challenges;
        self
    }

    fn answer(&self, request: &Request<Body>) -> Response<Short> {
        if let Some(shown) = self.challenges.at(request.uri().path()) {
            let mut response = Response::new(Short(shown.into()));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            return response;
        }
        let mut response = Response::new(Short::default());
        match self.location(request) {
            Some(location) => {
                *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
                response.headers_mut().insert(LOCATION, location);
            }
            None => *response.status_mut() = StatusCode::BAD_REQUEST,
        }
        // A link of a visitor is nobody else's.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Where to; `None` where the request does not say on which host it is.
    fn location(&self, request: &Request<Body>) -> Option<HeaderValue> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let authority: Authority = match (request.uri().authority(), hosts.next(), hosts.next()) {
            (Some(authority), _, _) => authority.clone(),
            (None, Some(host), None) => host.to_str().ok()?.parse().ok()?,
            _ => return None,
        };
        let host = authority.host();
        if host.is_empty() || authority.as_str().contains('@') {
            return None;
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path } else { "/" };
        let location = match self.port {
            443 => format!("https://{host}{path}"),
            port => format!("https://{host}:{port}{path}"),
        };
        HeaderValue::try_from(location).ok()
    }
}

impl Service<Request<Body>> for Redirect {
    type Response = Response<Short>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Short>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}

impl http_body::Body for Short {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.0)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.0.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(port: u16, target: &str, host: Option<&'static str>) -> Option<String> {
        let mut request = Request::builder().uri(target);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        let answer = Redirect::to_port(port).answer(&request.body(Body::whole("")).unwrap());
        let location = answer.headers().get(LOCATION)?;
        assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
        Some(location.to_str().unwrap().to_owned())
    }

    #[test]
    fn goes_to_the_same_place_in_tls() {
        for (port, target, host, expected) in [
            (443, "/a?b=c", "example.com", "https://example.com/a?b=c"),
            (443, "/", "example.com:80", "https://example.com/"),
            (8443, "/", "example.com:8080", "https://example.com:8443/"),
            (8443, "/x", "[::1]:8080", "https://[::1]:8443/x"),
            (443, "//evil.example/", "example.com", "https://example.com//evil.example/"),
            (443, "*", "example.com", "https://example.com/"),
        ] {
            assert_eq!(location(port, target, Some(host)).as_deref(), Some(expected));
        }
    }

    #[test]
    fn who_names_no_host_is_sent_nowhere() {
        assert_eq!(location(443, "/", None), None);
        for host in ["", "a b", "user@example.com", "example.com/x", "a:b:c"] {
            assert_eq!(location(443, "/", Some(host)), None, "{host}");
        }
    }
}
