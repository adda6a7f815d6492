//! One connection of HTTP/3: its requests come out of h3, and run side by side on its own task.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use h3::error::{Code, ConnectionError, LocalError};
use h3::server::{self, RequestResolver};
use tokio::time::{Instant, sleep_until, timeout};

use super::meter::Meter;
use super::streams::{Connection, Slot};
use super::{code, exchange};
use crate::counters::count;
use crate::http::Handler;
use crate::http::exchange::Caller;
use crate::http::fault::Fault;
use crate::http::state::{Order, Overdue};
use crate::http::stream;
use crate::http::table::Seat;

/// How much longer than a head may be one is that is answered with 431; a longer one is reset, before it has arrived.
const TOO_LONG: usize = 4;
/// How long a client may take to make room for GOAWAY.
const GOING: Duration = Duration::from_secs(4);

/// What a connection has to do next.
enum Next {
    Request(Box<RequestResolver<Connection, Bytes>>),
    /// The client opens no more requests, or the connection is broken.
    End(Option<ConnectionError>),
    /// It is told to go, or was idle for too long.
    Go,
    /// Nothing is left to do.
    Over,
}

/// Serves one connection until it is done, is told to go, or a deadline passes.
pub(super) async fn run<H: Handler>(quic: quinn::Connection, caller: Caller<H>, seat: &Seat) {
    let (shared, state) = (&seat.shared, &seat.state);
    let limits = &shared.limits;
    let peer = caller.peer;
    let meter = Arc::new(Meter::new(quic.clone(), Arc::clone(&shared.counters), limits));
    let slot = Slot::default();
    let most = limits.head_bytes.saturating_mul(TOO_LONG);
    let streams = Connection::new(quic.clone(), meter, most, Arc::clone(&slot));
    let mut builder = server::builder();
    builder.max_field_section_size(limits.head_bytes as u64).send_grease(false);
    // A client that leaves no room for the streams of HTTP/3 itself is not waited for.
    let begun = seat.until_stop(timeout(limits.head_time, builder.build(streams))).await;
    let Some(Ok(Ok(mut http))) = begun else { return quic.close(code(Code::H3_NO_ERROR), b"") };
    let mut requests: FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send>>> = FuturesUnordered::new();
    let mut alarm = pin!(sleep_until(Instant::now() + limits.head_time));
    let (mut is_going, mut has_ended) = (false, false);
    loop {
        let next = {
            let mut accept = pin!(http.accept());
            poll_fn(|cx| {
                state.task.register(cx.waker());
                match state.order() {
                    Order::Cut => return Poll::Ready(Next::Over),
                    Order::Finish if !is_going => return Poll::Ready(Next::Go),
                    _ => {}
                }
                while let Poll::Ready(Some(())) = requests.poll_next_unpin(cx) {}
                if requests.is_empty() && (is_going || has_ended) {
                    return Poll::Ready(Next::Over);
                }
                if !has_ended && let Poll::Ready(accepted) = accept.as_mut().poll(cx) {
                    return Poll::Ready(match accepted {
                        Ok(Some(resolver)) => Next::Request(Box::new(resolver)),
                        Ok(None) => Next::End(None),
                        Err(error) => Next::End(Some(error)),
                    });
                }
                while alarm.as_mut().poll(cx).is_ready() {
                    let now = Instant::now();
                    let slow = stream::end_slow(seat, now);
                    let idle = match state.overdue(limits, now) {
                        Ok(next) => next,
                        Err(Overdue::Idle) if !is_going => {
                            count(&shared.counters.idle);
                            return Poll::Ready(Next::Go);
                        }
                        Err(_) if requests.is_empty() => return Poll::Ready(Next::Over),
                        Err(_) => now + GOING,
                    };
                    alarm.as_mut().reset(slow.min(idle));
                }
                Poll::Pending
            })
            .await
        };
        match next {
            Next::Request(resolver) => {
                let accepted = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(accepted) = accepted {
                    let request = exchange::run(*resolver, accepted, caller.clone(), Arc::clone(state));
                    requests.push(Box::pin(request));
                }
            }
            Next::End(error) => {
                has_ended = true;
                if let Some(error) = error.filter(|error| !error.is_h3_no_error()) {
                    if is_clients_fault(&error) {
                        count(&shared.counters.http3_errors);
                    }
                    shared.faults.tell(Fault::Connection(peer, &error));
                    // Nothing gets through any more.
                    break;
                }
            }
            Next::Go => {
                is_going = true;
                // Where there is no room for it, closing says the same.
                let _ = seat.until_cut(timeout(GOING, http.shutdown(0))).await;
            }
            Next::Over => break,
        }
    }
    drop(requests);
    quic.close(code(Code::H3_NO_ERROR), b"");
}

/// Whether the connection ended because the client broke the protocol, rather than by its leaving.
fn is_clients_fault(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::Local { error: LocalError::Application { code, .. }, .. }
        if *code != Code::H3_NO_ERROR && *code != Code::H3_INTERNAL_ERROR)
}
