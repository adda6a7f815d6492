//! Two stacks and the cable between them, in virtual time: held to what services build on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use device::conformance::{self, World};
use device::sim::{SimEthernet, SimRandom, WireTrouble};
use device::{Listener, Peer, Stack};
use netstack::{Config, NetFlow, NetListener, Netstack};

/// A server and a client, each with a card.
struct Pair {
    server: Netstack,
    client: Netstack,
    address: SocketAddr,
}

impl Pair {
    fn new(trouble: WireTrouble, server: &str, client: &str) -> Self {
        let (card, other) = SimEthernet::pair(trouble);
        let stack = |card, seed, address: &str| {
            let config = Config::default().address(address.parse().unwrap());
            let (stack, driver) = Netstack::new(card, &SimRandom::new(seed), config).unwrap();
            tokio::spawn(driver);
            stack
        };
        let address = server.split_once('/').unwrap().0;
        let address = SocketAddr::new(address.parse().unwrap(), 0);
        Self { server: stack(card, 1, server), client: stack(other, 2, client), address }
    }

    fn v4(trouble: WireTrouble) -> Self {
        Self::new(trouble, "10.0.0.1/24", "10.0.0.2/24")
    }

    fn v6(trouble: WireTrouble) -> Self {
        Self::new(trouble, "fd00::1/64", "fd00::2/64")
    }
}

impl World for Pair {
    type Listener = NetListener;
    type Client = NetFlow;
    type Address = SocketAddr;

    async fn listen(&self) -> io::Result<(NetListener, SocketAddr)> {
        let listener = self.server.listen(self.address).await?;
        match listener.local()? {
            Peer::Ip(at) => Ok((listener, at)),
            Peer::Local => panic!("a network address"),
        }
    }

    async fn connect(&self, to: &SocketAddr) -> io::Result<(NetFlow, Peer)> {
        let flow = self.client.connect(*to).await?;
        let me = Peer::Ip(flow.ends().0);
        Ok((flow, me))
    }

    fn reset(&self, flow: NetFlow) {
        flow.reset();
    }

    async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    fn held(&self) -> usize {
        self.server.sockets() + self.client.sockets()
    }
}

#[tokio::test(start_paused = true)]
async fn keeps_what_stacks_promise_over_ipv4() {
    let pair = Pair::v4(WireTrouble::default());
    conformance::addresses_are_taken_once(&pair.server, pair.address).await;
    conformance::all(&pair).await;
}

#[tokio::test(start_paused = true)]
async fn keeps_what_stacks_promise_over_ipv6() {
    let pair = Pair::v6(WireTrouble::default());
    conformance::addresses_are_taken_once(&pair.server, pair.address).await;
    conformance::all(&pair).await;
}

#[tokio::test(start_paused = true)]
async fn a_cable_that_loses_repeats_and_reorders_changes_no_byte() {
    for seed in 1..=6 {
        let trouble = WireTrouble { seed, lost: 30, repeated: 20, late: 20, damaged: 0 };
        let pair = if seed % 2 == 0 { Pair::v4(trouble) } else { Pair::v6(trouble) };
        conformance::a_flow_carries_both_ways(&pair).await;
        conformance::any_pieces_give_the_same_bytes(&pair).await;
        conformance::both_ways_at_once(&pair).await;
        conformance::either_end_may_finish_first(&pair).await;
        conformance::what_was_written_before_the_end_arrives(&pair).await;
        conformance::flows_at_once_do_not_mix(&pair).await;
    }
}

/// What is damaged is as good as lost: nothing that it says is heeded, though it is of a connection.
#[tokio::test(start_paused = true)]
async fn a_cable_that_damages_changes_no_byte() {
    for seed in 1..=20 {
        let trouble = WireTrouble { seed, damaged: 50, lost: 20, ..WireTrouble::default() };
        let pair = if seed % 2 == 0 { Pair::v4(trouble) } else { Pair::v6(trouble) };
        conformance::a_flow_carries_both_ways(&pair).await;
        conformance::any_pieces_give_the_same_bytes(&pair).await;
        conformance::both_ways_at_once(&pair).await;
        conformance::either_end_may_finish_first(&pair).await;
        conformance::what_was_written_before_the_end_arrives(&pair).await;
        conformance::flows_at_once_do_not_mix(&pair).await;
    }
}
