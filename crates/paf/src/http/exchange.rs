//! One request and its answer, in either protocol: the handler is asked, and what keeps the pace is told how it goes.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use device::Peer;
use http::header::{ALT_SVC, CONNECTION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower_service::Service as Tower;

use super::body::{Answer, Body};
use super::fault::Fault;
use super::host;
use super::limits::Refusal;
use super::state::State;
use super::stream::Stream;
use super::{BoxError, Handler, Shared};
use crate::counters::count;
use crate::proxy::Proxied;
use crate::tls::Facts;

/// Who is told what happens to an exchange.
#[derive(Clone, Debug)]
pub(super) enum Watch {
    /// The connection, which has one at a time.
    One(Arc<State>),
    /// The stream, of which a connection has many.
    Two(Arc<Stream>),
}

impl Watch {
    /// The handler waits for the request's body. `Err` if the client was too slow.
    pub(super) fn upload_wait(&self, waker: &Waker) -> Result<(), ()> {
        match self {
            Self::One(state) => state.upload_wait(waker),
            Self::Two(stream) => stream.upload_wait(waker),
        }
    }

    /// Bytes of the request's body came.
    pub(super) fn upload_moved(&self, bytes: usize) {
        match self {
            Self::One(state) => state.upload_moved(bytes),
            Self::Two(stream) => stream.upload_moved(bytes),
        }
    }

    /// The request has a body, which is now with the handler.
    pub(super) fn upload_begins(&self) {
        if let Self::One(state) = self {
            state.arriving.store(true, Relaxed);
        }
    }

    /// The request's body is over or dropped; `unread` where bytes of it may still come.
    pub(super) fn upload_over(&self, unread: bool) {
        match self {
            Self::One(state) => {
                state.upload_over();
                if unread {
                    state.unread.store(true, Relaxed);
                }
                state.arriving.store(false, Relaxed);
            }
            Self::Two(stream) => stream.upload_over(),
        }
    }

    /// The answer's body is over or dropped.
    pub(super) fn answered(&self) {
        match self {
            Self::One(state) => state.answered(),
            // The stream's own future ends with it.
            Self::Two(_) => {}
        }
    }
}

/// Asks the handler on behalf of one connection.
#[derive(Clone)]
pub(super) struct Caller<H> {
    pub(super) handler: H,
    pub(super) peer: Peer,
    pub(super) proxied: Option<Proxied>,
    pub(super) facts: Option<Facts>,
    /// Where the same is served by another protocol (RFC 7838), which answers tell.
    pub(super) elsewhere: Option<HeaderValue>,
    pub(super) shared: Arc<Shared>,
}

impl<H: Handler> Caller<H> {
    pub(super) fn ask(&self, request: Request<Body>, watch: Watch) -> Answering<H> {
        let (mut head, body) = request.into_parts();
        let refusal = match () {
            () if head.headers.len() > self.shared.limits.head_lines => Some(Refusal::TooManyLines),
            () if !host::is_clear(&head) => Some(Refusal::BadHost),
            () => None,
        };
        if let Some(refusal) = refusal {
            self.shared.refuse(self.peer, refusal);
            let limits = &self.shared.limits;
            let mut answer = (limits.refuse)(refusal, limits);
            if let Watch::One(_) = watch {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            return self.answering(watch, Step::Refused { answer: Some(answer) });
        }
        count(&self.shared.counters.requests);
        // What the library would leave HTTP with, which nothing here does.
        head.extensions.remove::<hyper::upgrade::OnUpgrade>();
        let is_connect = head.method == Method::CONNECT;
        head.extensions.insert(self.peer);
        if let Some(proxied) = self.proxied {
            head.extensions.insert(proxied);
        }
        if let Some(facts) = &self.facts {
            head.extensions.insert(facts.clone());
        }
        let request = Request::from_parts(head, body);
        let step = Step::Asking { handler: self.handler.clone(), request: Some(request) };
        Answering { is_connect, ..self.answering(watch, step) }
    }

    fn answering(&self, watch: Watch, step: Step<H, H::Future>) -> Answering<H> {
        let (peer, shared) = (self.peer, Arc::clone(&self.shared));
        Answering { watch, elsewhere: self.elsewhere.clone(), peer, shared, is_connect: false, step }
    }
}

pin_project_lite::pin_project! {
    /// Waits for a handler to be ready, then for its answer. One that panics, or gives what is no answer, has failed alone, with 500.
    pub(super) struct Answering<H: Handler> {
        watch: Watch,
        elsewhere: Option<HeaderValue>,
        peer: Peer,
        shared: Arc<Shared>,
        is_connect: bool,
        #[pin]
        step: Step<H, H::Future>,
    }
}

pin_project_lite::pin_project! {
    #[project = StepProject]
    enum Step<H, F> {
        Asking { handler: H, request: Option<Request<Body>> },
        Waiting { #[pin] future: F },
        Refused { answer: Option<Response<Bytes>> },
    }
}

impl<H: Handler> Step<H, H::Future> {
    /// Asks the handler and waits for its answer.
    fn handle(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Response<H::Answer>, BoxError>> {
        loop {
            match self.as_mut().project() {
                StepProject::Asking { handler, request } => {
                    ready!(Tower::poll_ready(handler, cx)).map_err(Into::into)?;
                    let Some(request) = request.take() else { return Poll::Pending };
                    let future = handler.call(request);
                    self.set(Step::Waiting { future });
                }
                StepProject::Waiting { future } => return future.poll(cx).map_err(Into::into),
                StepProject::Refused { .. } => return Poll::Pending,
            }
        }
    }
}

impl<H: Handler> Future for Answering<H> {
    type Output = Result<Response<Answer<H::Answer>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let StepProject::Refused { answer } = this.step.as_mut().project() {
            let Some(answer) = answer.take() else { return Poll::Pending };
            return Poll::Ready(Ok(answer.map(|body| Answer::ready(body, this.watch.clone()))));
        }
        // What the handler shares with others is its own to keep whole.
        let handled = catch_unwind(AssertUnwindSafe(|| this.step.as_mut().handle(cx)));
        let answer = match handled {
            Ok(handled) => Ok(ready!(handled)?),
            Err(_) => Err(Fault::Panicked(*this.peer)),
        };
        let answer = answer.and_then(|answer| match answer.status() {
            status if status.is_informational() || (*this.is_connect && status.is_success()) => {
                Err(Fault::NoAnswer(*this.peer, status))
            }
            _ => Ok(answer),
        });
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(fault) => {
                this.step.set(Step::Refused { answer: None });
                this.shared.faults.tell(fault);
                let mut answer = Response::new(Answer::ready(Bytes::new(), this.watch.clone()));
                *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                return Poll::Ready(Ok(answer));
            }
        };
        if let Some(elsewhere) = this.elsewhere.take() {
            answer.headers_mut().entry(ALT_SVC).or_insert(elsewhere);
        }
        let (watch, shared) = (this.watch.clone(), Arc::clone(this.shared));
        Poll::Ready(Ok(answer.map(|body| Answer::new(body, watch, shared, *this.peer))))
    }
}
