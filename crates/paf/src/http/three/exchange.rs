//! One request by HTTP/3 and its answer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::SystemTime;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::{RequestResolver, RequestStream};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::Body as _;
use tokio::time::timeout;

use super::body::Arriving;
use super::streams::{Accepted, Connection, Lane, Outward, Stopped};
use crate::http::body::{Answer, Body};
use crate::http::exchange::{Caller, Watch};
use crate::http::fault::Fault;
use crate::http::limits::Refusal;
use crate::http::pace::Pace;
use crate::http::state::State;
use crate::http::stream::Stream;
use crate::http::{BoxError, Handler};

/// Fields that mean something for a connection of HTTP/1.1 alone (RFC 9114 section 4.2).
const OF_CONNECTIONS: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Serves one request to its end: until the client has all of the answer, or wants no more of it.
pub(super) async fn run<H: Handler>(
    resolver: RequestResolver<Connection, Bytes>,
    accepted: Accepted,
    caller: Caller<H>,
    state: Arc<State>,
) {
    let Accepted { lane, stopped } = accepted;
    let (shared, peer) = (Arc::clone(&caller.shared), caller.peer);
    let resolved = match timeout(shared.limits.head_time, resolver.resolve_request()).await {
        Ok(resolved) => resolved,
        Err(_) => {
            return shared.refuse(peer, Refusal::TooSlow);
        }
    };
    let (request, stream) = match resolved {
        Ok(resolved) => resolved,
        Err(error) => return not_a_request(&error, &lane, &caller),
    };
    lane.ask();
    let open = Open::new(Arc::new(Stream::new(Arc::clone(&state), &shared.limits)), state);
    let (mut send, recv) = stream.split();
    let mut exchange = Exchange { stream: &open.stream, lane: &lane, stopped };
    let is_head = request.method() == Method::HEAD;
    let watch = Watch::Two(Arc::clone(&open.stream));
    let answer = match length(request.headers()) {
        Ok(length) => {
            let mut body = Arriving::new(recv, length, watch.clone());
            let body = if body.look().await { Body::new(body) } else { Body::none() };
            let request = Request::from_parts(request.into_parts().0, body);
            exchange.unless_gone(caller.ask(request, watch)).await
        }
        Err(()) => {
            shared.refuse(peer, Refusal::Malformed);
            let answer = (shared.limits.refuse)(Refusal::Malformed, &shared.limits);
            Some(Ok(answer.map(|body| Answer::ready(body, watch))))
        }
    };
    let Some(answer) = answer else { return };
    let answered = match answer {
        Ok(answer) => exchange.unless_gone(say(&mut send, answer, is_head)).await,
        Err(error) => Some(Err(error)),
    };
    match answered {
        Some(Ok(sent)) => {
            let window = usize::try_from(shared.limits.http3.send_window).unwrap_or(usize::MAX);
            let pace = Pace::new(shared.limits.patience, shared.limits.body_rate);
            open.stream.answer_ends(pace, sent.min(window));
            // What is on its way is lost with the connection, so it is not over before it has arrived.
            exchange.unless_gone(std::future::pending::<()>()).await;
        }
        Some(Err(error)) => {
            lane.reset_with(Code::H3_INTERNAL_ERROR);
            shared.faults.tell(Fault::Connection(peer, &*error));
        }
        None => {}
    }
}

/// Tells of what came in place of a request.
fn not_a_request<H: Handler>(error: &StreamError, lane: &Lane, caller: &Caller<H>) {
    let why = match error {
        _ if lane.is_too_long.load(Relaxed) => Refusal::HeadTooLarge,
        StreamError::HeaderTooBig { .. } => Refusal::HeadTooLarge,
        StreamError::StreamError { .. } => Refusal::Malformed,
        // The client took it back or left; a connection that is broken is told of as one.
        _ => return,
    };
    caller.shared.refuse(caller.peer, why);
}

/// How long a request says that its body is. `Err` where it contradicts itself or HTTP/3.
fn length(headers: &HeaderMap) -> Result<Option<u64>, ()> {
    if OF_CONNECTIONS.iter().any(|name| headers.contains_key(name)) {
        return Err(());
    }
    if headers.get_all(TE).iter().any(|te| te != "trailers") {
        return Err(());
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(None),
        (Some(length), None) => {
            let text = length.to_str().map_err(|_| ())?;
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if digits { text.parse().map(Some).map_err(|_| ()) } else { Err(()) }
        }
        _ => Err(()),
    }
}

/// Sends an answer; gives how many bytes its body has.
async fn say<B>(
    send: &mut RequestStream<Outward, Bytes>,
    answer: Response<Answer<B>>,
    is_head: bool,
) -> Result<usize, BoxError>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let (mut head, body) = answer.into_parts();
    for name in &OF_CONNECTIONS {
        head.headers.remove(name);
    }
    if let Some(len) = body.size_hint().exact()
        && !(is_head && len == 0)
        && !head.headers.contains_key(CONTENT_LENGTH)
        && !head.status.is_informational()
        && head.status != http::StatusCode::NO_CONTENT
    {
        head.headers.insert(CONTENT_LENGTH, len.into());
    }
    if !head.headers.contains_key(DATE)
        && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now()))
    {
        head.headers.insert(DATE, date);
    }
    send.send_response(Response::from_parts(head, ())).await?;
    let mut sent = 0;
    if !is_head {
        let mut body = pin!(body);
        while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            match frame?.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    sent += data.len();
                    send.send_data(data).await?;
                }
                Err(other) => {
                    if let Ok(trailers) = other.into_trailers() {
                        send.send_trailers(trailers).await?;
                    }
                    break;
                }
            }
        }
    }
    send.finish().await?;
    Ok(sent)
}

/// What ends a request beside its answer.
struct Exchange<'e> {
    stream: &'e Stream,
    lane: &'e Lane,
    stopped: Stopped,
}

impl Exchange<'_> {
    /// Does `work` unless the client wants no answer any more, has all of it, or is too slow.
    async fn unless_gone<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.stream.task.register(cx.waker());
            if self.stream.is_cancelled() {
                return Poll::Ready(None);
            }
            if let Poll::Ready(is_gone) = self.stopped.as_mut().poll(cx) {
                if is_gone {
                    self.lane.gone();
                }
                return Poll::Ready(None);
            }
            work.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

/// An open stream of a connection.
struct Open {
    stream: Arc<Stream>,
    connection: Arc<State>,
}

impl Open {
    fn new(stream: Arc<Stream>, connection: Arc<State>) -> Self {
        connection.opened(Arc::clone(&stream));
        Self { stream, connection }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connection.closed(&self.stream);
    }
}
