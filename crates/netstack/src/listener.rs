//! Accepts the flows of one address.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use device::{Listener, Peer};

use crate::core::{Shared, lock};
use crate::flow::NetFlow;

/// A listener. Dropping it frees the address and breaks off what waits to be accepted.
pub struct NetListener {
    core: Shared,
    id: u64,
    address: SocketAddr,
}

impl NetListener {
    pub(crate) fn new(core: Shared, id: u64, address: SocketAddr) -> Self {
        Self { core, id, address }
    }
}

impl Listener for NetListener {
    type Flow = NetFlow;

    async fn accept(&mut self) -> io::Result<(NetFlow, Peer)> {
        let (key, peer) = poll_fn(|cx| lock(&self.core).poll_accept(self.id, cx)).await?;
        Ok((NetFlow::new(Arc::clone(&self.core), key), Peer::Ip(peer)))
    }

    fn local(&self) -> io::Result<Peer> {
        Ok(Peer::Ip(self.address))
    }
}

impl Drop for NetListener {
    fn drop(&mut self) {
        lock(&self.core).unlisten(self.id);
    }
}

impl std::fmt::Debug for NetListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetListener").field("address", &self.address).finish_non_exhaustive()
    }
}
