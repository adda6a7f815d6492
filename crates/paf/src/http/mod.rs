//! HTTP/1.1 (RFC 9112) over any [`device::Listener`].
//!
//! What a stranger can make the service hold is bounded: connections in all and for each client, bytes and lines of a
//! head, the time a head may take, and the pace of bodies both ways. When all connections are taken, the one that has
//! kept the service waiting longest is closed for the newcomer; where none waits, the newcomer is refused at once.

mod body;
mod connection;
mod flow;
mod limits;
mod pace;
mod state;
mod table;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use device::{Listener, Peer};
use http::{Request, Response};
use tower_service::Service as Tower;

pub use body::{Body, BodyError};
pub use limits::{Limits, Refusal};

use crate::counters::count;
use crate::{Client, Counters, Net, Stop};
use connection::Connection;
use table::Table;

/// What handlers fail with; the connection is then closed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A tower service that answers HTTP requests. The request's extensions hold the [`device::Peer`].
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
/// several listeners share one set of limits.
#[derive(Clone, Debug)]
pub struct Service<H> {
    handler: H,
    shared: Arc<Shared>,
}

/// What all connections of a service share.
#[derive(Debug)]
struct Shared {
    limits: Limits,
    table: Table,
    counters: Arc<Counters>,
}

impl<H: Handler> Service<H> {
    /// A service of `handler` under `limits`.
    pub fn new(handler: H, limits: Limits) -> Self {
        let table = Table::new(limits.connections, limits.connections_per_client);
        let shared = Shared { limits, table, counters: Arc::default() };
        Self { handler, shared: Arc::new(shared) }
    }

    /// Its counters.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.shared.counters)
    }
}

/// Serves what `listener` accepts until `stop` is pulled. Then nothing more is accepted, idle connections are closed,
/// and open requests have [`Limits::grace`] to finish before they are cut. Returns when every connection of the
/// service is closed.
pub async fn serve<H: Handler, L: Listener>(service: Service<H>, mut listener: L, stop: Stop) {
    let shared = &service.shared;
    let pulled = stop.pulled();
    let mut pulled = std::pin::pin!(pulled);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut pulled => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((flow, peer)) => admit(&service, flow, peer),
            // Out of descriptors or memory: waiting is all that helps. A connection lost before it was accepted is nothing.
            Err(error) => {
                count(&shared.counters.accept_errors);
                if error.kind() != std::io::ErrorKind::ConnectionAborted {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
    drop(listener);
    shared.table.stop_all();
    if tokio::time::timeout(shared.limits.grace, shared.table.empty()).await.is_err() {
        shared.table.cut_all();
        shared.table.empty().await;
    }
}

/// Gives a new flow its place and its task, or turns it away.
fn admit<H: Handler, F: device::Flow>(service: &Service<H>, flow: F, peer: Peer) {
    let shared = &service.shared;
    count(&shared.counters.accepted);
    match Table::enter(shared, limited_client(&shared.limits.exempt, peer)) {
        Some(seat) => {
            shared.counters.open.fetch_add(1, Relaxed);
            let connection = Connection::new(service.handler.clone(), peer, seat);
            tokio::spawn(connection.run(flow));
        }
        None => {
            count(&shared.counters.refused);
            connection::turn_away(flow, (shared.limits.refuse)(Refusal::Full));
        }
    }
}

/// The client whose connections are counted; `None` for those exempt.
fn limited_client(exempt: &[Net], peer: Peer) -> Option<Client> {
    match peer {
        Peer::Ip(a) if exempt.iter().any(|net| net.contains(a.ip())) => None,
        Peer::Local => None,
        Peer::Ip(a) => Some(Client::of(a.ip())),
    }
}
