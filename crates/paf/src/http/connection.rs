//! One connection: hyper driven under the service's deadlines, and closed so that the client still gets its answer.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use device::{Flow, Peer};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};
use tower_service::Service as Tower;

use super::body::{Answer, Body};
use super::flow::Watched;
use super::limits::Refusal;
use super::state::{Order, Overdue, State};
use super::table::Seat;
use super::{BoxError, Handler};
use crate::counters::count;

/// How long a closed connection is read on, so that the answer it was closed with is not lost to a reset.
const LINGER: Duration = Duration::from_secs(4);
/// How much is read on.
const LINGER_BYTES: usize = 64 << 20;
/// How long a refused newcomer may take to receive the refusal.
const TURN_AWAY: Duration = Duration::from_secs(1);
/// hyper's smallest read buffer; larger ones are grown while a body streams in.
const LEAST_BUFFER: usize = 8 * 1024;
/// The largest read buffer of a connection.
const MOST_BUFFER: usize = 64 * 1024;

pub(super) struct Connection<H> {
    handler: H,
    peer: Peer,
    seat: Seat,
}

/// How driving a connection ended.
enum End {
    /// HTTP is done with it.
    Done,
    /// Nobody listens any more: close at once.
    Silent,
    /// The head did not come in time.
    SlowHead,
}

impl<H: Handler> Connection<H> {
    pub(super) fn new(handler: H, peer: Peer, seat: Seat) -> Self {
        Self { handler, peer, seat }
    }

    pub(super) async fn run<F: Flow>(self, flow: F) {
        let Self { handler, peer, seat } = self;
        let limits = &seat.shared.limits;
        let flow = Watched::new(flow, Arc::clone(&seat.state), Arc::clone(&seat.shared.counters));
        let service = Dispatch { handler, peer, seat: &seat };
        let mut http = http1::Builder::new()
            .header_read_timeout(None)
            .max_headers(limits.head_lines)
            .max_header_size(limits.head_bytes)
            .max_buf_size(MOST_BUFFER.max(limits.head_bytes).max(LEAST_BUFFER))
            .serve_connection(TokioIo::new(flow), service);
        let end = drive(&mut http, &seat).await;
        let Watched { flow, refusal, .. } = http.into_parts().io.into_inner();
        let refusal = match end {
            End::Silent => return,
            End::SlowHead => Some(Refusal::TooSlow),
            End::Done => refusal,
        };
        if let Some(refusal) = refusal {
            count(match refusal {
                Refusal::TooSlow => &seat.shared.counters.slow,
                _ => &seat.shared.counters.malformed,
            });
        }
        let answer = refusal.map(limits.refuse);
        let linger = answer.is_some() || seat.state.unread.load(Relaxed);
        let close = close(flow, answer, linger);
        let mut close = pin!(close);
        poll_fn(|cx| {
            seat.state.task.register(cx.waker());
            if seat.state.order() == Order::Cut { Poll::Ready(()) } else { close.as_mut().poll(cx) }
        })
        .await;
    }
}

/// Answers a newcomer for whom there is no place. Costs a task for a second at most.
pub(super) fn turn_away<F: Flow>(flow: F, answer: Bytes) {
    tokio::spawn(timeout(TURN_AWAY, close(flow, Some(answer), true)));
}

/// Polls `http` until it is done, is told to go, or a deadline passes.
async fn drive<F: Flow, H: Handler>(
    http: &mut http1::Connection<TokioIo<Watched<F>>, Dispatch<'_, H>>,
    seat: &Seat,
) -> End {
    let (state, limits) = (&seat.state, &seat.shared.limits);
    let mut alarm = pin!(sleep_until(Instant::now() + limits.head_time));
    let mut finishing = false;
    poll_fn(|cx| {
        state.task.register(cx.waker());
        match state.order() {
            Order::Cut => return Poll::Ready(End::Silent),
            Order::Finish if !finishing => {
                finishing = true;
                Pin::new(&mut *http).graceful_shutdown();
            }
            _ => {}
        }
        loop {
            // An error is either a bad head, which the flow has noted, or a client that left.
            if Pin::new(&mut *http).poll(cx).is_ready() {
                return Poll::Ready(End::Done);
            }
            ready!(alarm.as_mut().poll(cx));
            match state.overdue(limits, Instant::now()) {
                Ok(next) => alarm.as_mut().reset(next),
                Err(Overdue::Idle) => return Poll::Ready(End::Silent),
                Err(Overdue::Head) => return Poll::Ready(End::SlowHead),
                Err(Overdue::Download) => {
                    count(&seat.shared.counters.slow);
                    return Poll::Ready(End::Silent);
                }
                Err(Overdue::Upload) => {
                    count(&seat.shared.counters.slow);
                    state.fail_upload();
                }
            }
        }
    })
    .await
}

/// Sends what is left to say and closes. With `linger`, reads on for a while: a close while bytes are arriving resets
/// the connection, and the client may lose the answer with it (RFC 9112 section 9.6).
async fn close<F: Flow>(mut flow: F, answer: Option<Bytes>, linger: bool) {
    let polite = async {
        if let Some(answer) = answer {
            flow.write_all(&answer).await?;
        }
        flow.shutdown().await?;
        let mut left = if linger { LINGER_BYTES } else { 0 };
        let mut sink = vec![0; if linger { LEAST_BUFFER } else { 0 }];
        while left > 0 {
            match flow.read(&mut sink).await? {
                0 => break,
                n => left = left.saturating_sub(n),
            }
        }
        Ok::<(), std::io::Error>(())
    };
    // Whatever fails here, the client has left: an ordinary event.
    let _ = timeout(LINGER, polite).await;
}

/// hyper's view of the handler.
struct Dispatch<'s, H> {
    handler: H,
    peer: Peer,
    seat: &'s Seat,
}

impl<H: Handler> hyper::service::Service<Request<Incoming>> for Dispatch<'_, H> {
    type Response = Response<Answer<H::Answer>>;
    type Error = BoxError;
    type Future = Answering<H>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let state = Arc::clone(&self.seat.state);
        state.dispatched();
        count(&self.seat.shared.counters.requests);
        let (mut head, body) = request.into_parts();
        head.extensions.insert(self.peer);
        let request = Request::from_parts(head, Body::arriving(body, Arc::clone(&state)));
        Answering { state, step: Step::Asking { handler: self.handler.clone(), request: Some(request) } }
    }
}

pin_project_lite::pin_project! {
    /// Waits for a handler to be ready, then for its answer.
    struct Answering<H: Handler> {
        state: Arc<State>,
        #[pin]
        step: Step<H, H::Future>,
    }
}

pin_project_lite::pin_project! {
    #[project = StepProject]
    enum Step<H, F> {
        Asking { handler: H, request: Option<Request<Body>> },
        Waiting { #[pin] future: F },
    }
}

impl<H: Handler> Future for Answering<H> {
    type Output = Result<Response<Answer<H::Answer>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.step.as_mut().project() {
                StepProject::Asking { handler, request } => {
                    ready!(Tower::poll_ready(handler, cx)).map_err(Into::into)?;
                    let Some(request) = request.take() else { return Poll::Pending };
                    let future = handler.call(request);
                    this.step.set(Step::Waiting { future });
                }
                StepProject::Waiting { future } => {
                    let answer = ready!(future.poll(cx)).map_err(Into::into)?;
                    let state = Arc::clone(this.state);
                    return Poll::Ready(Ok(answer.map(|body| Answer::new(body, state))));
                }
            }
        }
    }
}
