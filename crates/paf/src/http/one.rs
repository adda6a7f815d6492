//! HTTP/1.1: hyper driven under the service's deadlines, one request at a time, and closed so that the client still gets
//! its answer. Between requests a connection rests: it keeps its flow, and nothing of hyper's.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use device::{Flow, Peer};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::time::{Instant, sleep_until};

use super::ahead::Ahead;
use super::body::{Answer, Body};
use super::connection::close;
use super::exchange::{Answering, Caller, Watch};
use super::fault::Fault;
use super::flow::Watched;
use super::limits::Refusal;
use super::state::{Order, Overdue};
use super::table::Seat;
use super::{BoxError, Handler};
use crate::counters::count;

/// hyper's smallest read buffer; larger ones are grown while a body streams in.
const LEAST_BUFFER: usize = 8 * 1024;
/// The largest read buffer of a connection.
const MOST_BUFFER: usize = 64 * 1024;

/// How long a connection is idle before it rests: hyper's buffers are 16 KiB, and making them anew is not free.
const REST: Duration = Duration::from_millis(100);
/// One in so many of all connections that there may be may do so. Where more are open, each rests at once: what all of them let lie would be
/// many times what they need.
const CROWD: u64 = 64;
/// What is read of a request before hyper is made for it.
const START: usize = 512;

/// How driving a connection ended.
enum End {
    /// It is idle: hyper is not needed until something comes.
    Idle,
    /// HTTP is done with it.
    Done,
    /// The head is not HTTP/1.1, and the library has no word for it.
    NotHttp,
    /// Nobody listens any more: close at once.
    Silent,
    /// The head did not come in time.
    SlowHead,
}

/// Serves one connection to its end.
pub(super) async fn run<F: Flow, H: Handler>(flow: F, caller: Caller<H>, seat: &Seat) {
    let mut flow = Watched::new(flow, Arc::clone(&seat.state), Arc::clone(&seat.shared.counters), &seat.shared.limits);
    let peer = caller.peer;
    let mut service = Dispatch { caller, seat };
    let mut ahead = Bytes::new();
    let end = loop {
        if ahead.is_empty() {
            match rest(&mut flow, seat).await {
                Ok(start) => ahead = start,
                Err(end) => break end,
            }
        }
        let end;
        // A connection at rest does not have the room for this.
        (end, ahead, flow, service) = Box::pin(work(ahead, flow, service)).await;
        if !matches!(end, End::Idle) {
            break end;
        }
        if !ahead.is_empty() {
            seat.state.received();
        }
    };
    let limits = &seat.shared.limits;
    let Watched { flow, refusal, .. } = flow;
    let refusal = match end {
        End::Silent => return,
        End::SlowHead => Some(Refusal::TooSlow),
        End::NotHttp => refusal.or(Some(Refusal::Malformed)),
        End::Done | End::Idle => refusal,
    };
    if let Some(refusal) = refusal {
        seat.shared.refuse(peer, refusal);
    }
    let answer = refusal.map(|why| limits.refusal(why));
    let linger = answer.is_some() || seat.state.unread.load(Relaxed);
    seat.until_cut(Box::pin(close(flow, answer, linger))).await;
}

/// Serves requests until none comes for a while, or to the connection's end; gives back what it was given, and the start
/// of a request that came with the one before.
async fn work<'s, F: Flow, H: Handler>(
    ahead: Bytes,
    flow: Watched<F>,
    service: Dispatch<'s, H>,
) -> (End, Bytes, Watched<F>, Dispatch<'s, H>) {
    let (peer, seat) = (service.caller.peer, service.seat);
    let limits = &seat.shared.limits;
    let mut http = http1::Builder::new()
        .header_read_timeout(None)
        // A client that has said all it has to say still wants its answers (RFC 9112 section 9.6).
        .half_close(true)
        .max_headers(limits.head_lines)
        .max_header_size(limits.head_bytes)
        .max_buf_size(MOST_BUFFER.max(limits.head_bytes).max(LEAST_BUFFER))
        .serve_connection(TokioIo::new(Ahead::new(ahead, flow)), service);
    let end = drive(&mut http, peer, seat).await;
    let parts = http.into_parts();
    let (unread, flow) = parts.io.into_inner().into_parts();
    // Copied: also where it is empty, what hyper has read holds all of its buffer.
    let ahead = [parts.read_buf, unread].concat().into();
    (end, ahead, flow, parts.service)
}

/// Waits for the start of a request.
async fn rest<F: Flow>(flow: &mut Watched<F>, seat: &Seat) -> Result<Bytes, End> {
    let (state, limits) = (&seat.state, &seat.shared.limits);
    let now = Instant::now();
    let mut alarm = pin!(sleep_until(state.overdue(limits, now).unwrap_or(now)));
    let mut start = [0; START];
    poll_fn(|cx| {
        state.task.register(cx.waker());
        match state.order() {
            Order::Cut => return Poll::Ready(Err(End::Silent)),
            Order::Finish => return Poll::Ready(Err(End::Done)),
            Order::Run => {}
        }
        let mut read = ReadBuf::new(&mut start);
        match Pin::new(&mut *flow).poll_read(cx, &mut read) {
            Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                return Poll::Ready(Ok(Bytes::copy_from_slice(read.filled())));
            }
            // The client has left.
            Poll::Ready(_) => return Poll::Ready(Err(End::Done)),
            Poll::Pending => {}
        }
        loop {
            ready!(alarm.as_mut().poll(cx));
            match state.overdue(limits, Instant::now()) {
                Ok(next) => alarm.as_mut().reset(next),
                Err(_) => {
                    count(&seat.shared.counters.idle);
                    return Poll::Ready(Err(End::Silent));
                }
            }
        }
    })
    .await
}

/// Polls `http` until it is done, idle, told to go, or a deadline passes.
async fn drive<F: Flow, H: Handler>(
    http: &mut http1::Connection<TokioIo<Ahead<Watched<F>>>, Dispatch<'_, H>>,
    peer: Peer,
    seat: &Seat,
) -> End {
    let (state, limits) = (&seat.state, &seat.shared.limits);
    let now = Instant::now();
    let mut alarm = pin!(sleep_until(state.overdue(limits, now).unwrap_or(now)));
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
            if let Poll::Ready(end) = Pin::new(&mut *http).poll(cx) {
                let Err(error) = end else { return Poll::Ready(End::Done) };
                if error.is_parse() && state.is_own_answer() {
                    return Poll::Ready(End::NotHttp);
                }
                seat.shared.faults.tell(Fault::Connection(peer, &error));
                return Poll::Ready(End::Done);
            }
            let is_crowded = seat.shared.counters.open.load(Relaxed) > limits.connections as u64 / CROWD;
            let idle = state.idle_for(if is_crowded { Duration::ZERO } else { REST });
            if is_crowded && idle.is_some() {
                return Poll::Ready(End::Idle);
            }
            if let Some(at) = idle.filter(|at| *at < alarm.deadline()) {
                alarm.as_mut().reset(at);
            }
            ready!(alarm.as_mut().poll(cx));
            let now = Instant::now();
            if idle.is_some_and(|at| at <= now) {
                return Poll::Ready(End::Idle);
            }
            match state.overdue(limits, now) {
                Ok(next) => alarm.as_mut().reset(next),
                Err(Overdue::Idle) => {
                    count(&seat.shared.counters.idle);
                    return Poll::Ready(End::Silent);
                }
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

/// hyper's view of the handler.
struct Dispatch<'s, H> {
    caller: Caller<H>,
    seat: &'s Seat,
}

impl<H: Handler> hyper::service::Service<Request<Incoming>> for Dispatch<'_, H> {
    type Response = Response<Answer<H::Answer>>;
    type Error = BoxError;
    type Future = Answering<H>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.seat.state.dispatched();
        let watch = Watch::One(Arc::clone(&self.seat.state));
        self.caller.ask(request.map(|body| Body::arriving(body, watch.clone())), watch)
    }
}
