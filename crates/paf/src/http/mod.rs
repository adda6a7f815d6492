//! HTTP/1.1 (RFC 9112) and HTTP/2 (RFC 9113) over any [`device::Listener`], plain or by TLS; with the feature `h3`, HTTP/3 (RFC 9114)
//! over QUIC as well.
//!
//! What a stranger can make the service hold is bounded: connections in all and for each client, bytes and lines of a
//! head, the time a head may take, and the pace of bodies both ways. When all connections are taken, the one that has
//! kept the service waiting longest is closed for the newcomer; where none waits, a few newcomers may wait a moment for a
//! place, and the others are refused at once, and told so as long as few are being told.

mod ahead;
mod body;
mod bucket;
mod connection;
mod exchange;
mod fault;
mod flow;
mod framing;
mod host;
mod limits;
mod one;
mod pace;
mod state;
mod stream;
mod table;
#[cfg(feature = "h3")]
mod three;
mod two;
mod upload;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use device::{Listener, Peer};
use http::{HeaderValue, Request, Response};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as Tower;

pub use body::{Body, BodyError};
pub use fault::Fault;
pub use limits::{Http2Limits, Http3Limits, Limits, Refusal};
#[cfg(feature = "h3")]
pub use three::{AsyncUdpSocket, Datagrams, Http3, serve_h3};

use crate::counters::count;
use crate::tls::{Tls, TlsError};
use crate::{Client, Counters, Net, Stop};
use connection::Connection;
use fault::Faults;
use state::Order;
use table::{Door, Seat, Table};

/// What handlers fail with; the connection is then closed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The protocols' names in a TLS handshake (RFC 7301).
const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// A tower service that answers HTTP requests. The request's extensions hold the [`device::Peer`]; if it came over TLS, the
/// [`crate::tls::Facts`]; if it came by a proxy (see [`Service::behind`]), what that said: [`crate::Proxied`].
///
/// A connection stays HTTP: neither Upgrade nor CONNECT is served. What came after them would keep none of the limits, which are those of
/// requests. A handler may refuse them as it likes, or ignore an Upgrade; where it agrees (101, or 2xx to CONNECT), the client gets 500.
pub trait Handler:
    Tower<Request<Body>, Response = Response<Self::Answer>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static
{
    /// The body of its answers.
    type Answer: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> Handler for S
where
    S: Tower<Request<Body>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Answer = B;
}

/// A handler with its limits, connections and counters. Cloning gives another handle to the same service, so that
/// several listeners share one set of limits; each is stopped by itself.
#[derive(Clone)]
pub struct Service<H> {
    handler: H,
    transport: Transport,
    /// Whose connections begin with a PROXY header.
    proxies: Arc<[Net]>,
    /// Where HTTP/3 is served, as answers tell it.
    elsewhere: Option<HeaderValue>,
    shared: Arc<Shared>,
}

/// How requests come.
#[derive(Clone)]
enum Transport {
    /// As they are; where `http2` is set, a client may begin with HTTP/2 (RFC 9113 section 3.3).
    Plain { http2: bool },
    /// In TLS, which says which protocol.
    Tls(TlsAcceptor),
}

/// What all connections of a service share.
#[derive(Debug)]
struct Shared {
    limits: Limits,
    table: Table,
    counters: Arc<Counters>,
    faults: Faults,
    /// How many newcomers may still be told that there is no place for them.
    turning_away: Arc<Semaphore>,
}

impl Shared {
    /// Counts and tells what never reaches the handler.
    fn refuse(&self, peer: Peer, why: Refusal) {
        self.counters.refuse(why);
        self.faults.tell(Fault::Refused(peer, why));
    }
}

impl<H> fmt::Debug for Service<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("table", &self.shared.table).finish_non_exhaustive()
    }
}

impl<H: Handler> Service<H> {
    /// A service of `handler` under `limits`: HTTP/1.1, not encrypted.
    pub fn new(handler: H, limits: Limits) -> Self {
        let limits = limits.bounded();
        let table = Table::new(limits.connections, limits.connections_per_client);
        let turning_away = Arc::new(Semaphore::new(connection::TURNED_AWAY));
        let shared = Shared { limits, table, counters: Arc::default(), faults: Faults::default(), turning_away };
        let proxies = Arc::default();
        let transport = Transport::Plain { http2: false };
        Self { handler, transport, proxies, elsewhere: None, shared: Arc::new(shared) }
    }

    /// A service of another handler, HTTP/1.1 and not encrypted, beside this one: they share limits, connections and counters, so that there
    /// are no more connections at both together than one may have.
    #[must_use]
    pub fn beside<O: Handler>(&self, handler: O) -> Service<O> {
        let (transport, shared) = (Transport::Plain { http2: false }, Arc::clone(&self.shared));
        Service { handler, transport, proxies: Arc::clone(&self.proxies), elsewhere: None, shared }
    }

    /// The same service, not encrypted, for clients that begin with HTTP/2 without asking (prior knowledge, RFC 9113
    /// section 3.3) as well as for those that speak HTTP/1.1.
    #[must_use]
    pub fn plain_with_http2(self) -> Self {
        Self { transport: Transport::Plain { http2: true }, ..self }
    }

    /// The same service in TLS, for HTTP/1.1 alone.
    ///
    /// # Errors
    /// [`TlsError::Provider`].
    pub fn https(self, tls: &Tls) -> Result<Self, TlsError> {
        self.over(tls, &[HTTP1])
    }

    /// The same service in TLS, for HTTP/2 and HTTP/1.1 as the handshake says (RFC 7301).
    ///
    /// # Errors
    /// [`TlsError::Provider`].
    pub fn alpn(self, tls: &Tls) -> Result<Self, TlsError> {
        self.over(tls, &[HTTP2, HTTP1])
    }

    fn over(self, tls: &Tls, protocols: &[&[u8]]) -> Result<Self, TlsError> {
        let acceptor = TlsAcceptor::from(Arc::new(tls.config(protocols)?));
        Ok(Self { transport: Transport::Tls(acceptor), ..self })
    }

    /// Takes connections that `proxies` pass on: each begins with a header of the PROXY protocol, version 2, which says whose
    /// it is. Those of others go on without; one of a proxy without is cut. Where a proxy also encrypts towards the service,
    /// the header comes before TLS.
    #[must_use]
    pub fn behind(self, proxies: &[Net]) -> Self {
        Self { proxies: proxies.into(), ..self }
    }

    /// Tells clients that come by TLS that the same is served by HTTP/3 at this port of the same host, for a day (Alt-Svc, RFC 7838).
    /// Those of proxies are not told: what they connect to is not the service.
    #[must_use]
    pub fn advertise_h3(self, port: u16) -> Self {
        // An origin's port is all that varies, so this is always a value.
        let elsewhere = HeaderValue::try_from(format!("h3=\":{port}\"; ma=86400")).ok();
        Self { elsewhere, ..self }
    }

    /// Tells `told` what goes wrong beside the handler. It is called where the fault is met, so it has to be quick; the
    /// first one set stays.
    #[must_use]
    pub fn on_fault(self, told: impl Fn(Fault<'_>) + Send + Sync + 'static) -> Self {
        self.shared.faults.tell_to(told);
        self
    }

    /// Its counters.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.shared.counters)
    }
}

/// Serves what `listener` accepts until `stop` is pulled. Then nothing more is accepted, idle connections are closed,
/// and open requests have [`Limits::grace`] to finish before they are cut. Returns when every connection that the
/// listener accepted is closed; those of the service's other listeners go on.
pub async fn serve<H: Handler, L: Listener>(service: Service<H>, mut listener: L, stop: Stop) {
    let shared = &service.shared;
    let door = Arc::default();
    let pulled = stop.pulled();
    let mut pulled = std::pin::pin!(pulled);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut pulled => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((flow, peer)) => admit(&service, &door, flow, peer),
            // Out of descriptors or memory: waiting is all that helps. A connection lost before it was accepted is nothing.
            Err(error) => {
                count(&shared.counters.accept_errors);
                shared.faults.tell(Fault::Accept(&error));
                if error.kind() != std::io::ErrorKind::ConnectionAborted {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
    drop(listener);
    drain(shared, &door).await;
}

/// Tells every connection that came by `door` to finish, and cuts those that have not in time.
async fn drain(shared: &Shared, door: &Arc<Door>) {
    shared.table.stop(door, Order::Finish);
    if tokio::time::timeout(shared.limits.grace, door.empty()).await.is_err() {
        shared.table.stop(door, Order::Cut);
        door.empty().await;
    }
}

/// Gives a new flow its place and its task, lets it wait for one, or turns it away.
fn admit<H: Handler, F: device::Flow>(service: &Service<H>, door: &Arc<Door>, flow: F, peer: Peer) {
    let shared = &service.shared;
    count(&shared.counters.accepted);
    let is_proxy = service.proxies.iter().any(|net| net.covers(peer));
    let client = if is_proxy { None } else { limited_client(&shared.limits.exempt, peer) };
    match Table::enter(shared, door, client) {
        Ok(seat) => begin(service, flow, peer, seat, is_proxy),
        Err(Refusal::Full) => match Table::queue(shared, door, client) {
            Some(turn) => {
                let service = service.clone();
                tokio::spawn(async move {
                    match turn.seat().await {
                        Ok(seat) => begin(&service, flow, peer, seat, is_proxy),
                        Err(why) => connection::turn_away(flow, peer, why, &service.transport, &service.shared),
                    }
                });
            }
            None => connection::turn_away(flow, peer, Refusal::Full, &service.transport, shared),
        },
        Err(why) => connection::turn_away(flow, peer, why, &service.transport, shared),
    }
}

/// Gives a flow that has its place its task.
fn begin<H: Handler, F: device::Flow>(service: &Service<H>, flow: F, peer: Peer, seat: Seat, is_proxy: bool) {
    let connection = Connection::new(service, peer, seat);
    match is_proxy {
        true => drop(tokio::spawn(connection.run_proxied(flow))),
        false => drop(tokio::spawn(connection.run(flow, None))),
    }
}

/// The client whose connections are counted; `None` for those exempt.
fn limited_client(exempt: &[Net], peer: Peer) -> Option<Client> {
    match peer {
        _ if exempt.iter().any(|net| net.covers(peer)) => None,
        Peer::Local => None,
        Peer::Ip(a) => Some(Client::of(a.ip())),
    }
}
