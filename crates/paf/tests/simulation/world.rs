//! One run: a network, a service, clients, and the moment of its end.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use device::sim::{Delay, SimStack, Trouble};
use device::{Listener, Peer, Stack};
use paf::http::{Limits, Service, serve};
use paf::{Snapshot, Stop};
use tokio::time::{Instant, sleep, timeout};

use super::handler::Handler;
use super::{clients, two};

pub(crate) const GRACE: Duration = Duration::from_secs(30);
/// The longest delays of a network: one that clients cannot be told from good ones on, and one that makes them slow.
const DELAYS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(3)];

/// Numbers that follow from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `n` (SplitMix64).
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n.max(1)
    }

    pub(crate) fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.below(most))
    }
}

/// What a client has of its world.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) stack: SimStack,
    pub(crate) at: SocketAddr,
    /// Nothing but the client itself is in its requests' way: the network cuts nothing, there is room for all.
    pub(crate) is_kind: bool,
    pub(crate) stop: Stop,
    ids: Arc<AtomicU64>,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

/// What happened, to show that enough did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) answers: usize,
    pub(crate) refusals: usize,
    pub(crate) cuts: usize,
    pub(crate) http2: usize,
    pub(crate) slow: u64,
    pub(crate) evicted: u64,
    pub(crate) virtual_seconds: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        self.answers += other.answers;
        self.refusals += other.refusals;
        self.cuts += other.cuts;
        self.http2 += other.http2;
        self.slow += other.slow;
        self.evicted += other.evicted;
        self.virtual_seconds += other.virtual_seconds;
    }
}

impl World {
    /// An id that no other request has.
    pub(crate) fn id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }
}

/// Runs one seed to its end.
pub(crate) fn run(seed: u64) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(live(seed))
}

async fn live(seed: u64) -> Seen {
    let mut dice = Dice::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let start = Instant::now();
    let cut = (dice.below(3) == 0).then_some(50..30_000);
    let is_crowded = dice.below(4) == 0;
    let delay =
        DELAYS.get(dice.below(3) as usize).map(|most| Delay { most: *most, sleep: |time| Box::pin(sleep(time)) });
    let is_slow = delay.is_some_and(|delay| delay.most > DELAYS[0]);
    let trouble = Trouble { seed: dice.below(u64::MAX), split: dice.below(2) == 0, delay, cut };
    let is_kind = trouble.cut.is_none() && !is_crowded && !is_slow;
    let stack = SimStack::with(trouble);
    let listener = stack.listen("10.0.0.1:80".parse().unwrap()).await.unwrap();
    let Peer::Ip(at) = listener.local().unwrap() else { panic!("an address") };
    let limits = Limits {
        connections: if is_crowded { 4 } else { 1000 },
        connections_per_client: 0,
        grace: GRACE,
        ..Limits::default()
    };
    let handler = Handler::default();
    let service = Service::new(handler.clone(), limits).plain_with_http2();
    let counters = service.counters();
    let stop = Stop::new();
    let mut served = tokio::spawn(serve(service, listener, stop.clone()));
    let world =
        World { stack: stack.clone(), at, is_kind, stop: stop.clone(), ids: Arc::default(), seen: Arc::default() };
    let mut all = Vec::new();
    for _ in 0..4 + dice.below(12) {
        let own = Dice::new(dice.below(u64::MAX));
        all.push(match dice.below(8) {
            0 => tokio::spawn(two::client(world.clone(), own)),
            _ => tokio::spawn(clients::client(world.clone(), own)),
        });
    }
    // Half of the runs end in the middle of things, the others when everybody has left.
    let early = dice.below(2) == 0;
    if early {
        sleep(dice.millis(60_000)).await;
    } else {
        for client in all.drain(..) {
            client.await.unwrap();
        }
        assert!(!served.is_finished(), "a service ends when it is told to");
        // A client that left is noticed once the handler, at work for it, has something to say.
        sleep(Duration::from_secs(if is_slow { 300 } else { 30 })).await;
        assert_eq!(counters.snapshot().open, 0, "connections without a client");
        assert_eq!(stack.ends(), 0, "flows without a client");
    }
    stop.pull();
    timeout(GRACE + Duration::from_secs(10), &mut served).await.expect("the service does not end").unwrap();
    for client in all {
        client.await.unwrap();
    }
    assert_eq!(stack.ends(), 0, "flows that outlive the service");
    let twice = handler.0.lock().unwrap().iter().find(|(_, times)| **times > 1).map(|(id, _)| *id);
    assert_eq!(twice, None, "a request was handled twice");
    let Snapshot { open, slow, evicted, .. } = counters.snapshot();
    assert_eq!(open, 0);
    let mut seen = world.seen.lock().unwrap().clone();
    (seen.slow, seen.evicted, seen.virtual_seconds) = (slow, evicted, start.elapsed().as_secs());
    seen
}
