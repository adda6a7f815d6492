//! Holds a network stack to what services build on: each promise is a function over a [`World`], and [`all`] runs every
//! one.
//!
//! A function panics where the promise is broken, and says which. It needs no particular runtime: whatever time a stack
//! needs to carry something passes in [`World::settle`]. A stack's own tests add what this cannot know: lost packets,
//! addresses, the world outside.
#![allow(clippy::panic, reason = "a suite panics where a promise is broken")]

mod crowd;
mod ends;
mod transfer;

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{Flow, Listener, Peer, Stack};

pub use crowd::{
    a_backlog_loses_nobody, accepting_can_be_given_up, flows_at_once_do_not_mix, opening_and_closing_leaves_nothing,
};
pub use ends::{
    a_dropped_flow_ends_a_reader, a_dropped_flow_ends_a_writer, a_flow_outlives_its_listener,
    a_listener_that_is_gone_takes_nobody, a_reset_is_no_end, either_end_may_finish_first,
    what_was_written_before_the_end_arrives,
};
pub use transfer::{
    a_flow_carries_both_ways, a_slow_reader_slows_the_writer, any_pieces_give_the_same_bytes, both_ways_at_once,
    byte_by_byte,
};

/// How many clients connect before anybody is accepted.
pub const BACKLOG: usize = 256;

/// A stack under test, and a client of it on the same network. Everything may be called from several tasks.
pub trait World {
    /// What accepts.
    type Listener: Listener;
    /// The client's end of a flow.
    type Client: Flow;
    /// Where a listener is found.
    type Address: Clone + Send + 'static;

    /// Listens at an address that nobody else has.
    fn listen(&self) -> impl Future<Output = io::Result<(Self::Listener, Self::Address)>>;

    /// Connects, and tells as whom: what the listener has to say of the flow.
    fn connect(&self, to: &Self::Address) -> impl Future<Output = io::Result<(Self::Client, Peer)>>;

    /// Breaks a flow off, so that the other end is told of an error and not of an orderly end.
    fn reset(&self, flow: Self::Client);

    /// Waits until what was sent has arrived, as far as it goes: a tenth of a second of a real network, or until
    /// nothing moves on a simulated one.
    fn settle(&self) -> impl Future<Output = ()>;

    /// What all flows of this world hold together, in whatever the stack could run out of: descriptors, sockets. It has
    /// to come back to what it was once all of them are dropped and the world has settled a few times.
    fn held(&self) -> usize;
}

/// Runs every promise.
pub async fn all<W: World>(world: &W) {
    a_flow_carries_both_ways(world).await;
    both_ways_at_once(world).await;
    any_pieces_give_the_same_bytes(world).await;
    byte_by_byte(world).await;
    a_slow_reader_slows_the_writer(world).await;
    either_end_may_finish_first(world).await;
    what_was_written_before_the_end_arrives(world).await;
    a_reset_is_no_end(world).await;
    a_dropped_flow_ends_a_writer(world).await;
    a_dropped_flow_ends_a_reader(world).await;
    a_flow_outlives_its_listener(world).await;
    a_listener_that_is_gone_takes_nobody(world).await;
    accepting_can_be_given_up(world).await;
    a_backlog_loses_nobody(world).await;
    flows_at_once_do_not_mix(world).await;
    opening_and_closing_leaves_nothing(world).await;
}

/// A stack gives each listener an address of its own, says so where one is taken, and takes it back. `any` has port 0.
///
/// # Panics
/// Where the stack does otherwise.
pub async fn addresses_are_taken_once<S: Stack>(stack: &S, any: SocketAddr) {
    let local = |listener: &S::Listener| match listener.local() {
        Ok(Peer::Ip(address)) => address,
        other => panic!("a listener at an address says it is at {other:?}"),
    };
    let first = done("listen at any port", stack.listen(any).await);
    let second = done("listen at another port", stack.listen(any).await);
    let at = local(&first);
    assert_eq!(at.ip(), any.ip(), "a listener is at the address that was asked for");
    assert!(at.port() != 0 && local(&second).port() != at.port(), "each listener has a port of its own");
    match stack.listen(at).await {
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}"),
        Ok(_) => panic!("an address was given twice"),
    }
    drop(first);
    assert_eq!(local(&done("listen again at a port given back", stack.listen(at).await)), at);
}

/// Both ends of a new flow.
async fn pair<W: World>(world: &W) -> (W::Client, <W::Listener as Listener>::Flow) {
    let (mut listener, address) = done("listen", world.listen().await);
    meet(world, &mut listener, &address).await
}

/// Both ends of a new flow of that listener.
async fn meet<W: World>(
    world: &W,
    listener: &mut W::Listener,
    address: &W::Address,
) -> (W::Client, <W::Listener as Listener>::Flow) {
    let (connected, accepted) = tokio::join!(world.connect(address), listener.accept());
    let ((client, me), (server, peer)) = (done("connect", connected), done("accept", accepted));
    assert_eq!(peer, me, "a flow's peer is who connected");
    (client, server)
}

/// What went well; a stack under test may not fail here.
fn done<T, E: Debug>(what: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("cannot {what}: {error:?}"),
    }
}

/// `len` bytes that differ at every place and between seeds.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        out.extend(crate::sim::split_mix(&mut state).to_le_bytes());
    }
    out.truncate(len);
    out
}

/// Writes all of `data`, and says that it was all.
async fn send(flow: &mut impl Flow, data: &[u8]) {
    done("write", flow.write_all(data).await);
    done("finish", flow.shutdown().await);
}

/// Everything up to the orderly end of a flow.
async fn receive(flow: &mut impl Flow) -> Vec<u8> {
    let mut data = Vec::new();
    done("read to the end", flow.read_to_end(&mut data).await);
    data
}

/// Whether two long values are the same, without printing them.
fn same(what: &str, got: &[u8], expected: &[u8]) {
    if got == expected {
        return;
    }
    let at = got.iter().zip(expected).position(|(a, b)| a != b);
    panic!("{what}: {} bytes of {}, the first other one at {at:?}", got.len(), expected.len());
}
