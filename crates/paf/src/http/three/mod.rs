//! HTTP/3 (RFC 9114) over QUIC (RFC 9000): h3 and quinn, driven under the same limits as HTTP/1.1 and HTTP/2.
//!
//! QUIC runs over datagrams, which are no flows: [`serve_h3`] takes a socket where [`serve`](crate::serve) takes a listener.
//! Whoever has sockets binds them ([`Datagrams`]); time and tasks are tokio's. What an operating system tells a service at
//! `accept`, QUIC tells only once the client has proven that it has its address: while many have not, newcomers are asked to
//! (a Retry, RFC 9000 section 8.1.2), and nobody is counted for an address before.

mod body;
mod connection;
mod exchange;
mod frames;
mod meter;
mod runtime;
mod streams;
mod transport;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use device::Peer;
use h3::error::Code;
pub use quinn::AsyncUdpSocket;
use quinn::{Endpoint, EndpointConfig, Incoming, ServerConfig, VarInt};
use tokio::time::timeout;

use super::exchange::Caller;
use super::fault::Fault;
use super::limits::Refusal;
use super::table::{Door, Seat, Table};
use super::{Handler, Service, Shared, drain, limited_client};
use crate::Stop;
use crate::counters::count;
use crate::tls::{Facts, Tls, TlsError};

/// The protocol's name in a TLS handshake (RFC 9114 section 3.1).
const HTTP3: &[u8] = b"h3";
/// How long the last word to clients may take, once every connection is over.
const FAREWELL: Duration = Duration::from_secs(1);

/// Binds the sockets that QUIC runs over.
pub trait Datagrams: fmt::Debug + Send + Sync + 'static {
    /// A UDP socket at `address`; port 0 asks for any free port.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] and the like.
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>>;
}

/// A service by HTTP/3. It shares limits, connections and counters with the [`Service`] that it is made of.
#[derive(Clone)]
pub struct Http3<H> {
    handler: H,
    config: ServerConfig,
    shared: Arc<Shared>,
    /// Handshakes under way with clients whose addresses are not proven.
    unproven: Arc<AtomicUsize>,
}

impl<H: Handler> Service<H> {
    /// The same service by HTTP/3, with the same certificates. The two of them share limits, connections and counters.
    ///
    /// # Errors
    /// [`TlsError::Provider`], also where the cryptography has none for QUIC.
    pub fn h3(&self, tls: &Tls) -> Result<Http3<H>, TlsError> {
        Ok(Http3 {
            handler: self.handler.clone(),
            config: transport::config(&self.shared.limits, tls)?,
            shared: Arc::clone(&self.shared),
            unproven: Arc::default(),
        })
    }
}

impl<H> fmt::Debug for Http3<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http3").field("table", &self.shared.table).finish_non_exhaustive()
    }
}

/// Serves HTTP/3 at `socket` until `stop` is pulled, and then ends as [`serve`](crate::serve) does: clients are told to open
/// nothing more (GOAWAY), open requests have [`Limits::grace`](super::Limits::grace) to finish, and the rest is cut.
pub async fn serve_h3<H: Handler>(service: Http3<H>, socket: Arc<dyn AsyncUdpSocket>, stop: Stop) {
    let shared = &service.shared;
    let (settings, runtime) = (EndpointConfig::default(), Arc::new(runtime::Tokio));
    let endpoint = Endpoint::new_with_abstract_socket(settings, Some(service.config.clone()), socket, runtime);
    let broken = |error: &io::Error| {
        count(&shared.counters.accept_errors);
        shared.faults.tell(Fault::Accept(error));
    };
    let endpoint = match endpoint {
        Ok(endpoint) => endpoint,
        Err(error) => return broken(&error),
    };
    let door = Arc::default();
    loop {
        let incoming = tokio::select! {
            biased;
            () = stop.pulled() => break,
            incoming = endpoint.accept() => incoming,
        };
        match incoming {
            Some(incoming) => admit(&service, &door, incoming),
            None => {
                broken(&io::Error::other("the socket for HTTP/3 is broken"));
                stop.pulled().await;
                break;
            }
        }
    }
    endpoint.set_server_config(None);
    drain(shared, &door).await;
    // Until the last acknowledgements and farewells have gone out.
    let _ = timeout(FAREWELL, endpoint.wait_idle()).await;
}

/// Gives a new connection its place and its task, turns it away, or asks for a proof of its address first.
fn admit<H: Handler>(service: &Http3<H>, door: &Arc<Door>, incoming: Incoming) {
    let shared = &service.shared;
    let is_proven = incoming.remote_address_validated();
    if !is_proven && service.unproven.load(Relaxed) >= shared.limits.http3.unproven {
        count(&shared.counters.retries);
        // It is refused only where the address is proven already.
        let _ = incoming.retry();
        return;
    }
    count(&shared.counters.accepted);
    let address = incoming.remote_address();
    let peer = Peer::Ip(SocketAddr::new(address.ip().to_canonical(), address.port()));
    let client = limited_client(&shared.limits.exempt, peer);
    match Table::enter(shared, door, client.filter(|_| is_proven)) {
        Ok(seat) => {
            let proof = (!is_proven).then(|| Unproven::new(&service.unproven));
            let caller = Caller {
                handler: service.handler.clone(),
                peer,
                proxied: None,
                facts: None,
                elsewhere: None,
                shared: Arc::clone(shared),
            };
            tokio::spawn(run(incoming, proof, caller, seat));
        }
        Err(why) => {
            shared.refuse(peer, why);
            incoming.refuse();
        }
    }
}

/// Serves a connection from its handshake on.
async fn run<H: Handler>(incoming: Incoming, proof: Option<Unproven>, mut caller: Caller<H>, mut seat: Seat) {
    let (shared, peer) = (Arc::clone(&seat.shared), caller.peer);
    let failed = |error: io::Error| {
        count(&shared.counters.handshakes_failed);
        shared.faults.tell(Fault::Handshake(peer, &error));
    };
    let connecting = match incoming.accept() {
        Ok(connecting) => connecting,
        Err(error) => return failed(error.into()),
    };
    let Some(shaken) = seat.until_stop(timeout(shared.limits.head_time, connecting)).await else { return };
    let quic = match shaken {
        Ok(Ok(quic)) => quic,
        Ok(Err(error)) => return failed(error.into()),
        Err(late) => return failed(late.into()),
    };
    count(&shared.counters.handshakes);
    if proof.is_some() && !seat.count_for(limited_client(&shared.limits.exempt, peer)) {
        shared.refuse(peer, Refusal::FullForClient);
        return quic.close(code(Code::H3_EXCESSIVE_LOAD), b"too many connections");
    }
    drop(proof);
    count(&shared.counters.http3);
    caller.facts = Some(Facts::of_quic(&quic));
    connection::run(quic, caller, &seat).await;
}

/// One handshake with a client whose address is not proven.
struct Unproven(Arc<AtomicUsize>);

impl Unproven {
    fn new(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Relaxed);
        Self(Arc::clone(all))
    }
}

impl Drop for Unproven {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// An error code as QUIC has it.
fn code(code: Code) -> VarInt {
    VarInt::from_u64(code.value()).unwrap_or(VarInt::MAX)
}
