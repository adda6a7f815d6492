//! One connection from its first byte: TLS where the service has it, then the protocol the client wants, and the word
//! that a flow without a place gets.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use device::{Flow, Peer};
use http::HeaderValue;
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::ahead::Ahead;
use super::exchange::Caller;
use super::fault::Fault;
use super::limits::Refusal;
use super::table::Seat;
use super::two::PREFACE;
use super::{HTTP2, Handler, Service, Shared, Transport, limited_client, one, two};
use crate::counters::count;
use crate::proxy::{Proxied, ProxyError};
use crate::tls::{ACME_TLS, Facts, FirstByte};

/// How long a closed connection is read on, so that the answer it was closed with is not lost to a reset.
const LINGER: Duration = Duration::from_secs(4);
/// How much is read on.
const LINGER_BYTES: usize = 64 << 20;
/// How much of it at once.
const LINGER_BUFFER: usize = 8 * 1024;
/// How often, before others have their turn.
const LINGER_READS: usize = 8;
/// What is read of a connection before its protocol is known: most first requests whole.
const LOOK_AHEAD: usize = 1024;
/// How long a refused newcomer may take to receive the refusal.
const TURN_AWAY: Duration = Duration::from_secs(1);
/// How many refused newcomers may be receiving the refusal at once.
pub(super) const TURNED_AWAY: usize = 64;
/// A fatal alert, `internal_error` (RFC 8446 section 6): all that can be said in TLS before a handshake.
const ALERT: &[u8] = &[0x15, 3, 3, 0, 2, 2, 80];

pub(super) struct Connection<H> {
    handler: H,
    transport: Transport,
    elsewhere: Option<HeaderValue>,
    peer: Peer,
    seat: Seat,
}

impl<H: Handler> Connection<H> {
    /// One to `service` from `peer`.
    pub(super) fn new(service: &Service<H>, peer: Peer, seat: Seat) -> Self {
        let (handler, transport) = (service.handler.clone(), service.transport.clone());
        Self { handler, transport, elsewhere: service.elsewhere.clone(), peer, seat }
    }

    /// Serves a connection that begins with a PROXY header.
    pub(super) async fn run_proxied<F: Flow>(mut self, mut flow: F) {
        let (shared, proxy) = (Arc::clone(&self.seat.shared), self.peer);
        let said = timeout(shared.limits.head_time, crate::proxy::read(&mut flow));
        let Some(said) = self.seat.until_stop(said).await else { return };
        let said = match said.unwrap_or(Err(ProxyError::Late)) {
            Ok(said) => said,
            Err(error) => {
                count(&shared.counters.malformed);
                shared.faults.tell(Fault::Proxy(proxy, &error));
                return;
            }
        };
        if let Some(client) = said.client {
            self.peer = Peer::Ip(client);
            if !self.seat.count_for(limited_client(&shared.limits.exempt, self.peer)) {
                turn_away(flow, self.peer, Refusal::FullForClient, &self.transport, &shared);
                return;
            }
        }
        self.run(flow, Some(Proxied { proxy, tls: said.tls })).await;
    }

    pub(super) async fn run<F: Flow>(self, flow: F, proxied: Option<Proxied>) {
        let Self { handler, transport, elsewhere, peer, seat } = self;
        // Datagrams do not come by the proxy, and without TLS nobody may say this.
        let elsewhere = elsewhere.filter(|_| proxied.is_none() && matches!(transport, Transport::Tls(_)));
        let caller = Caller { handler, peer, proxied, facts: None, elsewhere, shared: Arc::clone(&seat.shared) };
        match transport {
            Transport::Plain { http2: false } => one::run(Ahead::new(Bytes::new(), flow), caller, &seat).await,
            Transport::Plain { http2: true } => {
                if let Some((flow, is_http2)) = first_bytes(flow, &seat).await {
                    match is_http2 {
                        true => Box::pin(two::run(flow, caller, &seat)).await,
                        false => one::run(flow, caller, &seat).await,
                    }
                }
            }
            // What a plain HTTP/1.1 connection never needs is boxed, so that it does not carry the room for it.
            Transport::Tls(acceptor) => {
                let served = Box::pin(over_tls(&acceptor, flow, caller, &seat)).await;
                if let Some(served) = served {
                    served.await;
                }
            }
        }
    }
}

/// What is left to do of a connection.
type Serving<'s> = Pin<Box<dyn Future<Output = ()> + Send + 's>>;

/// Does the handshake that a connection by TLS begins with; gives what serves it, so that the room for the handshake goes with that.
async fn over_tls<'s, F: Flow, H: Handler>(
    acceptor: &TlsAcceptor,
    flow: F,
    mut caller: Caller<H>,
    seat: &'s Seat,
) -> Option<Serving<'s>> {
    let flow = Box::pin(shake_hands(acceptor, flow, caller.peer, seat)).await?;
    let connection = flow.get_ref().1;
    if connection.alpn_protocol() == Some(ACME_TLS) {
        // The authority has seen the certificate, which is all it came for.
        close(flow, None, false).await;
        return None;
    }
    let is_http2 = connection.alpn_protocol() == Some(HTTP2);
    caller.facts = Some(Facts::of(connection));
    Some(match is_http2 {
        true => Box::pin(two::run(flow, caller, seat)),
        false => Box::pin(one::run(flow, caller, seat)),
    })
}

/// Reads enough of a flow to tell whether HTTP/2 begins (RFC 9113 section 3.3). `None` where nothing comes in time.
async fn first_bytes<F: Flow>(mut flow: F, seat: &Seat) -> Option<(Ahead<F>, bool)> {
    let mut ahead = BytesMut::with_capacity(LOOK_AHEAD);
    let reading = async {
        while ahead.len() < PREFACE.len() && PREFACE.starts_with(&ahead) {
            if flow.read_buf(&mut ahead).await? == 0 {
                break;
            }
        }
        Ok::<(), std::io::Error>(())
    };
    let time = seat.shared.limits.head_time;
    // Whatever it is that ended, what came is looked at: HTTP/1.1 has an answer to half a head.
    let _ = seat.until_stop(timeout(time, reading)).await;
    if ahead.is_empty() {
        return None;
    }
    let is_http2 = ahead.starts_with(PREFACE);
    Some((Ahead::new(ahead.freeze(), flow), is_http2))
}

/// Does the TLS handshake. Who speaks plain HTTP instead is told so; anyone else who fails is not answered further.
async fn shake_hands<F: Flow>(
    acceptor: &TlsAcceptor,
    flow: F,
    peer: Peer,
    seat: &Seat,
) -> Option<TlsStream<FirstByte<F>>> {
    let (limits, counters) = (&seat.shared.limits, &seat.shared.counters);
    let accept = acceptor.accept(FirstByte::new(flow)).into_fallible();
    // A handshake that is under way when the service stops has asked for nothing yet.
    let shaken = seat.until_stop(timeout(limits.head_time, accept)).await?;
    match shaken {
        Ok(Ok(flow)) => {
            count(&counters.handshakes);
            if flow.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
                count(&counters.resumed);
            }
            Some(flow)
        }
        Ok(Err((error, flow))) => {
            if flow.is_other() {
                seat.shared.refuse(peer, Refusal::NotTls);
                seat.until_cut(Box::pin(close(flow.flow, Some(limits.refusal(Refusal::NotTls)), true))).await;
            } else if flow.has_spoken() {
                count(&counters.handshakes_failed);
                seat.shared.faults.tell(Fault::Handshake(peer, &error));
            }
            None
        }
        Err(late) => {
            count(&counters.handshakes_failed);
            seat.shared.faults.tell(Fault::Handshake(peer, &late.into()));
            None
        }
    }
}

/// Answers a newcomer for whom there is no place, which costs a task and a flow for a second at most; where [`TURNED_AWAY`] are being
/// answered already, it is closed without a word.
pub(super) fn turn_away<F: Flow>(flow: F, peer: Peer, why: Refusal, transport: &Transport, shared: &Shared) {
    shared.refuse(peer, why);
    let Ok(permit) = Arc::clone(&shared.turning_away).try_acquire_owned() else { return };
    let answer = match transport {
        Transport::Plain { .. } => shared.limits.refusal(why),
        Transport::Tls(_) => Bytes::from_static(ALERT),
    };
    tokio::spawn(async move {
        let _ = timeout(TURN_AWAY, close(flow, Some(answer), true)).await;
        drop(permit);
    });
}

/// Sends what is left to say and closes. With `linger`, reads on for a while: a close while bytes are arriving resets
/// the connection, and the client may lose the answer with it (RFC 9112 section 9.6).
pub(super) async fn close<F: Flow>(mut flow: F, answer: Option<Bytes>, linger: bool) {
    let polite = async {
        if let Some(answer) = answer {
            flow.write_all(&answer).await?;
        }
        flow.shutdown().await?;
        let mut left = if linger { LINGER_BYTES } else { 0 };
        let mut sink = vec![0; if linger { LINGER_BUFFER } else { 0 }];
        while left > 0 {
            for _ in 0..LINGER_READS {
                match flow.read(&mut sink).await? {
                    0 => return Ok(()),
                    n => left = left.saturating_sub(n),
                }
            }
            // Whoever sends without end is not what others wait for.
            yield_now().await;
        }
        Ok::<(), std::io::Error>(())
    };
    // Whatever fails here, the client has left: an ordinary event.
    let _ = timeout(LINGER, polite).await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::Ready;
    use std::task::{Context, Poll};

    use http::{Request, Response};
    use tokio::io::DuplexStream;

    use super::*;
    use crate::http::Body;

    #[derive(Clone)]
    struct Nothing;

    impl tower_service::Service<Request<Body>> for Nothing {
        type Response = Response<http_body_util::Empty<Bytes>>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            std::future::ready(Ok(Response::default()))
        }
    }

    fn size<F, A>(_: fn(Connection<Nothing>, F, Option<Proxied>) -> A) -> usize {
        size_of::<A>()
    }

    /// Tens of thousands of them lie idle.
    #[test]
    fn an_idle_connection_takes_little_room() {
        let room = size(Connection::run::<DuplexStream>);
        assert!(room < 2 * 1024, "a connection's task takes {room} bytes");
    }
}
