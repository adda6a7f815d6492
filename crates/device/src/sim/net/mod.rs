//! A network in memory: listeners and flows of one process, reliable unless trouble is asked for.
//!
//! Flows here are streams, as TCP gives them: what the network below loses, repeats or reorders is to a stream a delay, and at worst its
//! end. So trouble splits, delays and cuts them. A network that does it to packets stands under a TCP/IP implementation: [`SimEthernet`].

mod pipe;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub use pipe::SimFlow;
pub use wire::{SimEthernet, WireTrouble};

use super::random::split_mix;
use crate::{Listener, Peer, Stack};

/// Flows that wait to be accepted; more are refused.
const BACKLOG: usize = 512;
/// The first port that is given where none is asked for.
const FIRST_FREE: u16 = 49_152;

/// What befalls flows. All of it follows from the seed and from the order of calls.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    /// What chances follow from.
    pub seed: u64,
    /// Reads and writes often take a part of what they could, and sometimes one byte.
    pub split: bool,
    /// Reads and writes often take their time.
    pub delay: Option<Delay>,
    /// After how many bytes, both ways together, a flow is reset; drawn for each flow. `None` is never.
    pub cut: Option<Range<u64>>,
}

/// How long reads and writes take that do not go at once.
#[derive(Clone, Copy, Debug)]
pub struct Delay {
    /// The longest of them; each is drawn.
    pub most: Duration,
    /// Waits for so long, by whatever clock the flows live on.
    pub sleep: fn(Duration) -> Sleep,
}

/// A wait.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A network in memory. Clones are the same network.
#[derive(Clone, Debug, Default)]
pub struct SimStack {
    net: Arc<Mutex<Net>>,
}

#[derive(Debug, Default)]
struct Net {
    listeners: HashMap<SocketAddr, Waiting>,
    trouble: Option<Trouble>,
    /// Flows made so far: each has its own chances and its own port.
    flows: u64,
    /// Ends of flows that somebody holds, or that wait to be accepted.
    ends: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Waiting {
    flows: VecDeque<(SimFlow, Peer)>,
    waker: Option<Waker>,
}

impl SimStack {
    /// A network on which nothing happens but what is done.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A network whose flows have this trouble, each of its own.
    #[must_use]
    pub fn with(trouble: Trouble) -> Self {
        let net = Net { trouble: Some(trouble), ..Net::default() };
        Self { net: Arc::new(Mutex::new(net)) }
    }

    /// Connects to a listener from a loopback address.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`] where nobody listens at `address`, or too many flows wait there.
    pub fn connect(&self, address: SocketAddr) -> io::Result<SimFlow> {
        let port = FIRST_FREE + u16::try_from(self.lock().flows % 16_384).unwrap_or_default();
        self.connect_from(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port), address)
    }

    /// Connects to a listener, which is told that the other end is at `from`.
    ///
    /// # Errors
    /// As [`SimStack::connect`].
    pub fn connect_from(&self, from: SocketAddr, address: SocketAddr) -> io::Result<SimFlow> {
        let mut net = self.lock();
        let net = &mut *net;
        let waiting = net.listeners.get_mut(&address).filter(|waiting| waiting.flows.len() < BACKLOG);
        let waiting = waiting.ok_or(io::ErrorKind::ConnectionRefused)?;
        net.flows += 1;
        let trouble = net.trouble.as_ref().map(|trouble| {
            let mut seed = trouble.seed ^ net.flows.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let cut = trouble.cut.clone().map(|range| {
                let width = range.end.saturating_sub(range.start).max(1);
                range.start + split_mix(&mut seed) % width
            });
            pipe::Chances { seed, split: trouble.split, delay: trouble.delay, left: cut.unwrap_or(u64::MAX) }
        });
        let (near, far) = SimFlow::pair(trouble, &net.ends);
        waiting.flows.push_back((far, Peer::Ip(from)));
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
        Ok(near)
    }

    /// How many ends of flows somebody holds, those included that wait to be accepted.
    #[must_use]
    pub fn ends(&self) -> usize {
        self.lock().ends.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Net> {
        self.net.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stack for SimStack {
    type Listener = SimListener;

    async fn listen(&self, address: SocketAddr) -> io::Result<SimListener> {
        let mut net = self.lock();
        let mut address = address;
        if address.port() == 0 {
            let free = (FIRST_FREE..=u16::MAX).find(|port| {
                address.set_port(*port);
                !net.listeners.contains_key(&address)
            });
            free.ok_or(io::ErrorKind::AddrInUse)?;
        }
        if net.listeners.contains_key(&address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        net.listeners.insert(address, Waiting::default());
        Ok(SimListener { stack: self.clone(), address })
    }
}

/// Accepts the flows of one address. Dropping it frees the address and resets what waits there.
#[derive(Debug)]
pub struct SimListener {
    stack: SimStack,
    address: SocketAddr,
}

impl SimListener {
    fn poll_accept(&self, cx: &Context<'_>) -> Poll<io::Result<(SimFlow, Peer)>> {
        let mut net = self.stack.lock();
        let Some(waiting) = net.listeners.get_mut(&self.address) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        match waiting.flows.pop_front() {
            Some(flow) => Poll::Ready(Ok(flow)),
            None => {
                waiting.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Listener for SimListener {
    type Flow = SimFlow;

    async fn accept(&mut self) -> io::Result<(SimFlow, Peer)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn local(&self) -> io::Result<Peer> {
        Ok(Peer::Ip(self.address))
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let waiting = self.stack.lock().listeners.remove(&self.address);
        // Flows are dropped outside of the lock.
        drop(waiting);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::conformance::{self, World};

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn any() -> SocketAddr {
        "10.0.0.1:0".parse().unwrap()
    }

    fn address(listener: &SimListener) -> SocketAddr {
        match listener.local().unwrap() {
            Peer::Ip(address) => address,
            Peer::Local => panic!("a network address"),
        }
    }

    /// No time passes, but whoever waits has to be asked twice.
    const AGAIN: Delay = Delay { most: Duration::from_secs(1), sleep: |_| Box::pin(tokio::task::yield_now()) };

    /// The suite's view of a network in memory.
    struct Suite(SimStack);

    impl World for Suite {
        type Listener = SimListener;
        type Client = SimFlow;
        type Address = SocketAddr;

        async fn listen(&self) -> io::Result<(SimListener, SocketAddr)> {
            let listener = self.0.listen(any()).await?;
            let at = address(&listener);
            Ok((listener, at))
        }

        async fn connect(&self, to: &SocketAddr) -> io::Result<(SimFlow, Peer)> {
            let from = SocketAddr::new([192, 0, 2, 7].into(), 1000 + u16::try_from(self.0.ends()).unwrap());
            Ok((self.0.connect_from(from, *to)?, Peer::Ip(from)))
        }

        fn reset(&self, flow: SimFlow) {
            flow.reset();
        }

        async fn settle(&self) {
            tokio::task::yield_now().await;
        }

        fn held(&self) -> usize {
            self.0.ends()
        }
    }

    #[test]
    fn keeps_what_stacks_promise() {
        run(conformance::addresses_are_taken_once(&SimStack::new(), any()));
        run(conformance::all(&Suite(SimStack::new())));
    }

    #[test]
    fn keeps_what_stacks_promise_in_trouble() {
        for seed in 0..3 {
            let trouble = Trouble { seed, split: true, delay: Some(AGAIN), cut: None };
            run(conformance::all(&Suite(SimStack::with(trouble))));
        }
    }

    #[test]
    fn addresses_are_taken_once_and_refuse_when_free() {
        run(async {
            let stack = SimStack::new();
            let listener = stack.listen(any()).await.unwrap();
            let at = address(&listener);
            assert_eq!(stack.listen(at).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
            assert_ne!(address(&stack.listen(any()).await.unwrap()), at);
            let mut waiting: Vec<_> = (0..BACKLOG).map(|_| stack.connect(at).unwrap()).collect();
            assert_eq!(stack.connect(at).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
            drop(listener);
            assert_eq!(stack.connect(at).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
            assert_eq!(waiting[0].read(&mut [0; 1]).await.unwrap(), 0);
            assert_eq!(waiting[0].write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        });
    }

    #[test]
    fn bytes_arrive_in_order_whatever_befalls_the_flow() {
        for seed in 0..50 {
            let trouble = Trouble { seed, split: true, delay: Some(AGAIN), cut: None };
            run(async {
                let stack = SimStack::with(trouble);
                let mut listener = stack.listen(any()).await.unwrap();
                let from = "192.0.2.7:99".parse().unwrap();
                let mut client = stack.connect_from(from, address(&listener)).unwrap();
                let (mut server, peer) = listener.accept().await.unwrap();
                assert_eq!(peer, Peer::Ip(from));
                let sent: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
                let expected = sent.clone();
                let sending = tokio::spawn(async move {
                    client.write_all(&sent).await.unwrap();
                    client.shutdown().await.unwrap();
                    let mut back = Vec::new();
                    client.read_to_end(&mut back).await.unwrap();
                    back
                });
                let mut got = Vec::new();
                server.read_to_end(&mut got).await.unwrap();
                assert_eq!(got, expected);
                server.write_all(b"and back").await.unwrap();
                drop(server);
                assert_eq!(sending.await.unwrap(), b"and back");
            });
        }
    }

    /// How long each read of a flow took, of which one reads what the other writes at once.
    fn delays(seed: u64) -> Vec<Duration> {
        const MOST: Duration = Duration::from_secs(3);
        let delay = Delay { most: MOST, sleep: |time| Box::pin(tokio::time::sleep(time)) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let stack = SimStack::with(Trouble { seed, delay: Some(delay), ..Trouble::default() });
            let mut listener = stack.listen(any()).await.unwrap();
            let mut client = stack.connect(address(&listener)).unwrap();
            let (mut server, _) = listener.accept().await.unwrap();
            let mut all = Vec::new();
            for _ in 0..100 {
                client.write_all(b"x").await.unwrap();
                let begin = tokio::time::Instant::now();
                server.read_exact(&mut [0]).await.unwrap();
                all.push(begin.elapsed());
            }
            assert!(all.iter().all(|took| *took <= MOST + Duration::from_millis(1)), "{all:?}");
            all
        })
    }

    #[test]
    fn delays_pass_time_and_follow_from_the_seed() {
        let all = delays(1);
        assert!(all.iter().filter(|took| took.is_zero()).count() > 50, "{all:?}");
        assert!(all.iter().any(|took| *took > Duration::from_secs(2)), "{all:?}");
        assert_eq!(all, delays(1));
        assert_ne!(all, delays(2));
    }

    #[test]
    fn a_flow_is_cut_where_it_was_said() {
        run(async {
            let stack = SimStack::with(Trouble { seed: 1, cut: Some(1000..1001), ..Trouble::default() });
            let mut listener = stack.listen(any()).await.unwrap();
            let mut client = stack.connect(address(&listener)).unwrap();
            let (mut server, _) = listener.accept().await.unwrap();
            client.write_all(&[1; 999]).await.unwrap();
            server.read_exact(&mut [0; 999]).await.unwrap();
            assert_eq!(client.write(&[1; 9]).await.unwrap(), 1);
            assert_eq!(client.write(&[1]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
            assert_eq!(server.read(&mut [0; 9]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        });
    }
}
