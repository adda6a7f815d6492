//! The admin listener: metrics, liveness and readiness, for the operator's eyes.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use api::{Id, Kind};
use http::header::{CONTENT_TYPE, ORIGIN};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use paf::http::{Body, Limits};
use paf::{Counters, Stop};
use store::{Error as StoreError, Store};
use tower_service::Service;

use crate::answer::Answer;
use crate::app::App;
use crate::failure::Failure;
use crate::headers;

/// Answers an operator about `app`.
#[derive(Clone, Debug)]
pub(crate) struct Admin<S: Store> {
    pub(crate) app: App<S>,
    pub(crate) http: Arc<Counters>,
    /// What the public listeners allow.
    pub(crate) limits: Limits,
    /// The application's switch: once it is pulled, the server is no longer ready.
    pub(crate) stop: Stop,
}

impl<S: Store> Admin<S> {
    async fn handle(&self, request: Request<Body>) -> Response<Answer> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let mut response = match request.uri().path() {
            "/stop" if self.app.policy.stop_by_admin => self.stop(&request),
            _ if !is_read => Failure::method("GET, HEAD").into_response(),
            "/metrics" => {
                let usage = self.app.store.usage().await.ok();
                let memory = self.app.policy.memory.map(|tell| tell());
                text(StatusCode::OK, self.app.metrics.text(&self.http.snapshot(), &self.limits, usage, memory))
            }
            "/livez" => text(StatusCode::OK, "ok\n".into()),
            "/readyz" => self.ready().await,
            _ => Failure::from(Kind::NoRoute).into_response(),
        };
        headers::secure(response.headers_mut(), false);
        response
    }

    fn stop(&self, request: &Request<Body>) -> Response<Answer> {
        if *request.method() != Method::POST {
            return Failure::method("POST").into_response();
        }
        // A browser says of each such request where it is from (Fetch, 3.2 and Fetch Metadata, 2.3): any page that the operator
        // looks at could ask it to. There is no page of ours that does.
        if request.headers().contains_key(ORIGIN) || request.headers().contains_key("sec-fetch-site") {
            return text(StatusCode::FORBIDDEN, "a page in a browser does not stop the server\n".into());
        }
        self.stop.pull();
        text(StatusCode::ACCEPTED, "stopping\n".into())
    }

    async fn ready(&self) -> Response<Answer> {
        if self.stop.is_pulled() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into());
        }
        if let Some(what) = self.app.troubles.damaged() {
            return text(StatusCode::SERVICE_UNAVAILABLE, format!("the store is damaged: {what}\n"));
        }
        // A look-up that goes through the database, of an id that nothing has.
        if let Some(nobody) = Id::from_random(&[0; Id::LEN])
            && let Err(error) = self.app.store.find(&nobody).await
            && !matches!(error, StoreError::NotFound | StoreError::Burnt)
        {
            self.app.note(&error);
            return text(StatusCode::SERVICE_UNAVAILABLE, format!("the store does not answer: {error}\n"));
        }
        text(StatusCode::OK, "ready\n".into())
    }
}

fn text(status: StatusCode, body: String) -> Response<Answer> {
    let mut response = Response::new(Answer::whole(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

impl<S: Store> Service<Request<Body>> for Admin<S> {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let admin = self.clone();
        Box::pin(async move { Ok(admin.handle(request).await) })
    }
}
