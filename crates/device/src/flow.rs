//! The network as a service sees it: a stack gives listeners, a listener gives flows.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::Place;

/// One connection: an ordered, reliable stream of bytes each way.
pub trait Flow: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Flow for T {}

/// The other end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// An internet address and port.
    Ip(SocketAddr),
    /// A process of the same machine, as over a Unix socket.
    Local,
}

/// Accepts flows at one address.
pub trait Listener: Send + 'static {
    /// What is accepted.
    type Flow: Flow;

    /// Waits for the next flow. Dropping the future loses no flow.
    ///
    /// # Errors
    /// Whatever the stack reports; the listener can be asked again.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Flow, Peer)>> + Send;

    /// The address that is listened at, with the port that was chosen where port 0 was asked for.
    ///
    /// # Errors
    /// Whatever the stack reports.
    fn local(&self) -> io::Result<Peer>;
}

/// A TCP/IP implementation.
pub trait Stack: Send + Sync + 'static {
    /// What it listens with.
    type Listener: Listener;

    /// Listens at `address`; port 0 asks for any free port.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] and the like.
    fn listen(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// Listens at any kind of place; one may be several listeners.
    ///
    /// # Errors
    /// As [`Stack::listen`], and [`io::ErrorKind::Unsupported`] where the stack has no such places.
    fn listen_at(&self, place: &Place) -> impl Future<Output = io::Result<Vec<Self::Listener>>> + Send {
        async move {
            match place {
                Place::Ip(address) => Ok(vec![self.listen(*address).await?]),
                _ => Err(io::ErrorKind::Unsupported.into()),
            }
        }
    }
}
