//! HTTP/2 (RFC 9113): hyper driven under the service's deadlines, with floods noticed on the way in.

mod executor;
mod flow;
mod frames;
mod gather;
mod turn;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use device::Flow;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep_until};

use super::body::{Answer, Body};
use super::bucket::BURST;
use super::exchange::{Answering, Caller, Watch};
use super::fault::Fault;
use super::limits::Refusal;
use super::state::{Order, Overdue, State};
use super::stream::{self, Stream};
use super::table::Seat;
use super::{BoxError, Handler};
use crate::counters::count;
use executor::{Executor, Streams};
use flow::Framed;
pub(super) use frames::PREFACE;
use gather::{Gathering, Valve};
use turn::Turn;

/// How long a client that was told to go may take to acknowledge it, once nothing of it is open.
const GOING: Duration = Duration::from_secs(4);

/// Streams that h2 resets or refuses by the client's fault in a connection's life before it ends that. They are counted as they go out, so
/// this only bounds those that come in one piece, which wait for each other: half a kilobyte each.
const FAULTS: usize = 1000;

/// Serves one connection until it is done, is told to go, or a deadline passes.
pub(super) async fn run<F: Flow, H: Handler>(flow: F, caller: Caller<H>, seat: &Seat) {
    let (shared, state) = (&seat.shared, &seat.state);
    let limits = &shared.limits;
    let peer = caller.peer;
    count(&shared.counters.http2);
    let (valve, turn) = (Valve::new(), Turn::default());
    let flow = Gathering::new(flow, valve.clone());
    let flow = Framed::new(flow, turn.clone(), peer, Arc::clone(shared), Arc::clone(state));
    let executor = Executor::default();
    let mut streams = Streams::new(executor.clone());
    let service = Dispatch { caller, state: Arc::clone(state), executor: executor.clone() };
    let resets = usize::try_from(limits.http2.resets.saturating_mul(BURST + 1)).unwrap_or(usize::MAX);
    let faults = resets.max(FAULTS);
    let http = http2::Builder::new(executor)
        .max_concurrent_streams(limits.http2.streams)
        .initial_stream_window_size(limits.http2.stream_window)
        .initial_connection_window_size(limits.http2.connection_window)
        .max_send_buf_size(limits.http2.send_buffer)
        // What comes too often is told by its frames; h2's own bounds only have to hold no earlier.
        .max_pending_accept_reset_streams(resets)
        .max_local_error_reset_streams(faults)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .serve_connection(TokioIo::new(flow), service);
    let mut http = pin!(http);
    let mut alarm = pin!(sleep_until(Instant::now() + limits.head_time));
    let mut going: Option<Instant> = None;
    poll_fn(|cx| {
        turn.again();
        state.task.register(cx.waker());
        let order = state.order();
        if order == Order::Cut {
            say_goodbye(http.as_mut(), &valve, cx);
            return Poll::Ready(());
        }
        if order == Order::Finish && going.is_none() {
            going = Some(Instant::now());
            http.as_mut().graceful_shutdown();
            alarm.as_mut().reset(Instant::now() + GOING);
        }
        loop {
            // Requests come out of the connection, answers out of the streams, and then the connection sends them, and all that together.
            while {
                if let Poll::Ready(end) = http.as_mut().poll(cx) {
                    if let Err(error) = end {
                        shared.faults.tell(Fault::Connection(peer, &error));
                    }
                    return Poll::Ready(());
                }
                valve.again(streams.poll(cx))
            } {}
            ready!(alarm.as_mut().poll(cx));
            let now = Instant::now();
            let next = stream::end_slow(seat, now);
            let idle = match state.overdue(limits, now) {
                Ok(next) => next,
                Err(Overdue::Idle) if going.is_none() => {
                    count(&shared.counters.idle);
                    going = Some(now);
                    http.as_mut().graceful_shutdown();
                    now + GOING
                }
                // It was told to go, and did not.
                Err(Overdue::Idle) => return Poll::Ready(()),
                Err(overdue) => {
                    match overdue {
                        Overdue::Head => shared.refuse(peer, Refusal::TooSlow),
                        _ => count(&shared.counters.slow),
                    }
                    say_goodbye(http.as_mut(), &valve, cx);
                    return Poll::Ready(());
                }
            };
            let next = match going {
                Some(since) if state.streams_open() == 0 => {
                    if since + GOING <= now {
                        return Poll::Ready(());
                    }
                    since + GOING
                }
                // Streams that finish later than that are looked after from time to time.
                Some(_) => next.min(now + GOING),
                None => next.min(idle),
            };
            alarm.as_mut().reset(next);
        }
    })
    .await;
}

/// hyper's half of a connection.
type Http<F, H> = http2::Connection<TokioIo<Framed<F>>, Dispatch<H>, Executor>;

/// Sends GOAWAY, where that can be done at once.
fn say_goodbye<F: Flow, H: Handler>(mut http: Pin<&mut Http<F, H>>, valve: &Valve, cx: &mut Context<'_>) {
    http.as_mut().graceful_shutdown();
    valve.open();
    // However it ends, the connection is over.
    let _ = http.poll(cx);
}

/// hyper's view of the handler.
struct Dispatch<H> {
    caller: Caller<H>,
    state: Arc<State>,
    executor: Executor,
}

impl<H: Handler> hyper::service::Service<Request<Incoming>> for Dispatch<H> {
    type Response = Response<Answer<H::Answer>>;
    type Error = BoxError;
    type Future = Answering<H>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let stream = Arc::new(Stream::new(Arc::clone(&self.state), &self.caller.shared.limits));
        self.state.opened(Arc::clone(&stream));
        self.executor.announce(Arc::clone(&stream));
        let watch = Watch::Two(stream);
        self.caller.ask(request.map(|body| Body::arriving(body, watch.clone())), watch)
    }
}
