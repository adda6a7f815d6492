//! The application: a tower service from requests to answers.

use std::convert::Infallible;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};

use api::{Kind, Problem, ServerLimits};
use bytes::Bytes;
use device::{Clock, Peer, Random};
use http::header::{ACCEPT, ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use paf::Proxied;
use paf::http::Body;
use paf::tls::Facts;
use store::{Error as StoreError, Store};
use tower_service::Service;

use crate::answer::Answer;
use crate::config::Config;
use crate::failure::{Failure, Outcome};
use crate::log::{Log, Moved};
use crate::metrics::Metrics;
use crate::origin::{Origin, origin};
use crate::rate::Rate;
use crate::route::Route;
use crate::site::{SHOW, Site};
use crate::trouble::Troubles;
use crate::{handlers, headers, openapi};

/// The application over a store. Cloning it gives another handle.
#[derive(Debug)]
pub struct App<S>(Arc<Inner<S>>);

/// What requests need.
pub struct Inner<S> {
    pub(crate) store: S,
    pub(crate) site: Site,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) policy: Config,
    pub(crate) creations: Rate,
    pub(crate) wrong_tokens: Rate,
    pub(crate) metrics: Metrics,
    pub(crate) troubles: Troubles,
    pub(crate) log: Log,
    limits: Bytes,
}

impl<S: Store> App<S> {
    /// An application. Requests without a `device::Peer` among their extensions count as this machine's.
    pub fn new(store: S, site: Site, clock: Arc<dyn Clock>, random: Arc<dyn Random>, policy: Config, log: Log) -> Self {
        let limits = ServerLimits { max_paste: policy.max_paste, max_expiry: policy.max_expiry };
        Self(Arc::new(Inner {
            store,
            site,
            clock,
            random,
            creations: Rate::new(policy.create_rate),
            wrong_tokens: Rate::new(policy.wrong_token_rate),
            metrics: Metrics::default(),
            troubles: Troubles::default(),
            log,
            limits: serde_json::to_vec(&limits).unwrap_or_default().into(),
            policy,
        }))
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Body>) -> Response<Answer> {
        let start = self.clock.monotonic();
        let (head, body) = request.into_parts();
        let peer = head.extensions.get().copied().unwrap_or(Peer::Local);
        let by_proxy = head.extensions.get::<Proxied>().is_some_and(|proxied| proxied.tls);
        let is_tls = by_proxy || head.extensions.get::<Facts>().is_some();
        let policy = &self.policy;
        let origin = origin(peer, is_tls, &head.headers, &policy.trusted_proxies, policy.forwarded_header);
        let route = Route::of(head.uri.path());
        let received = AtomicU64::new(0);
        let mut response = match self.route(route, &head, body, origin, &received).await {
            Ok(response) => response,
            Err(failure) => {
                if let Some(cause) = failure.cause() {
                    self.note(cause);
                }
                failure.into_response()
            }
        };
        headers::secure(response.headers_mut(), origin.tls);
        let len = response.body().len();
        if head.method == Method::HEAD {
            // A file's answer has said it already, and has no body.
            response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(len));
            *response.body_mut() = Answer::empty();
        }
        let took = self.clock.monotonic().saturating_sub(start);
        self.metrics.requests.record(route, response.status(), took);
        let moved = Moved { received: received.into_inner(), sent: len };
        self.log.request(self.clock.now(), &head.method, route, response.status(), took, moved, origin.client);
        response
    }

    /// Tells the operator of a failure of the store.
    pub(crate) fn note(&self, error: &StoreError) {
        if self.troubles.note(error, &*self.clock, &self.log) {
            self.metrics.store_failures.add(1);
        }
    }

    async fn route(&self, route: Route<'_>, head: &Parts, body: Body, origin: Origin, received: &AtomicU64) -> Outcome {
        // Of two, a proxy may have checked the other.
        for name in [AUTHORIZATION, CONTENT_TYPE] {
            if head.headers.get_all(&name).iter().count() > 1 {
                return Err(Problem::new(Kind::Malformed).detail(format!("a request has one {name} at most")).into());
            }
        }
        let is_read = matches!(head.method, Method::GET | Method::HEAD);
        match (route, &head.method) {
            (Route::Pastes, &Method::POST) => handlers::create(self, head, body, origin, received).await,
            (Route::Paste(id), _) if is_read => handlers::info(self, id).await,
            (Route::Paste(id), &Method::DELETE) => handlers::delete(self, id, head, origin).await,
            (Route::Content(id), _) if is_read => handlers::content(self, id, head, origin).await,
            (Route::Claim(id), &Method::POST) => handlers::claim(self, id, head, origin).await,
            (Route::Limits, _) if is_read => Ok(handlers::ready_json(self.limits.clone())),
            (Route::OpenApi, _) if is_read => Ok(handlers::ready_json(openapi::bytes())),
            (Route::Health, _) if is_read => Ok(healthy()),
            (Route::Show, _) if is_read => self.page(SHOW, head),
            (Route::File(path), _) if is_read => self.page(path, head),
            (Route::Nothing, _) => Err(Kind::NoRoute.into()),
            (_, &Method::OPTIONS) => Ok(options(allowed(route))),
            _ => Err(Failure::method(allowed(route))),
        }
    }

    fn page(&self, path: &str, head: &Parts) -> Outcome {
        if let Some(page) = self.site.answer(path, &head.method, &head.headers) {
            return Ok(page);
        }
        // A person gets a page, a program a problem document.
        let wants_page =
            head.headers.get(ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|a| a.contains("text/html"));
        let page = wants_page.then(|| self.site.missing(&head.method, &head.headers)).flatten();
        page.ok_or_else(|| Problem::new(Kind::NoRoute).into())
    }
}

fn allowed(route: Route<'_>) -> &'static str {
    match route {
        Route::Pastes | Route::Claim(_) => "POST, OPTIONS",
        Route::Paste(_) => "GET, HEAD, DELETE, OPTIONS",
        _ => "GET, HEAD, OPTIONS",
    }
}

fn options(allowed: &'static str) -> Response<Answer> {
    let mut response = Response::new(Answer::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn healthy() -> Response<Answer> {
    let mut response = Response::new(Answer::whole("ok\n"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

impl<S> Clone for App<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Deref for App<S> {
    type Target = Inner<S>;

    fn deref(&self) -> &Inner<S> {
        &self.0
    }
}

impl<S> std::fmt::Debug for Inner<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

impl<S: Store> Service<Request<Body>> for App<S> {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let app = self.clone();
        Box::pin(async move { Ok(app.handle(request).await) })
    }
}
