//! TCP/IP over any [`device::Ethernet`]: the network of a machine without an operating system, and the same over a TAP device or in a
//! test.
//!
//! The protocols are smoltcp's. Here are the sockets around them as [`device::Stack`] wants them: a backlog that loses nobody, flows that
//! end as TCP flows do, sequence numbers that nobody foresees, bounded memory, and no work where nothing happens.
//!
//! ```
//! # use device::{Listener, Stack, sim::{SimEthernet, SimRandom, WireTrouble}};
//! # use netstack::{Config, Netstack};
//! # use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> std::io::Result<()> {
//! let (card, other) = SimEthernet::pair(WireTrouble::default());
//! let here = Config::default().address("10.0.0.1/24".parse().unwrap());
//! let there = Config::default().address("10.0.0.2/24".parse().unwrap());
//! let (server, driver) = Netstack::new(card, &SimRandom::new(1), here)?;
//! tokio::spawn(driver);
//! let (client, driver) = Netstack::new(other, &SimRandom::new(2), there)?;
//! tokio::spawn(driver);
//!
//! let mut listener = server.listen("10.0.0.1:80".parse().unwrap()).await?;
//! let mut asking = client.connect("10.0.0.1:80".parse().unwrap()).await?;
//! asking.write_all(b"hello").await?;
//! let (mut flow, peer) = listener.accept().await?;
//! let mut said = [0; 5];
//! flow.read_exact(&mut said).await?;
//! assert_eq!(&said, b"hello");
//! # Ok(())
//! # }
//! ```

mod config;
mod core;
mod driver;
mod flow;
mod guard;
mod listener;
mod segment;
mod sequence;
mod wire;

pub use config::{Cidr, CidrError, Config, Limits};
pub use driver::{Driver, DriverError};
pub use flow::NetFlow;
pub use listener::NetListener;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use device::{Ethernet, Random, Stack};

use crate::core::{Core, Shared};
use crate::sequence::Secret;

/// A TCP/IP stack. Clones are the same stack; its [`Driver`] has to be run for anything to happen.
#[derive(Clone)]
pub struct Netstack {
    core: Shared,
}

impl Netstack {
    /// A stack over this card, and what moves its frames: a future to be polled for as long as the stack is used, on a runtime with
    /// timers. It may be a thread's own: flows and listeners are used from any.
    ///
    /// # Errors
    /// There is no randomness for sequence numbers and ports.
    pub fn new(ethernet: impl Ethernet, random: &impl Random, config: Config) -> io::Result<(Self, Driver)> {
        let mut seed = [0; 8];
        random.fill(&mut seed).map_err(io::Error::other)?;
        let secret = Secret::new(random).map_err(io::Error::other)?;
        let core = Core::new(Box::new(ethernet), u64::from_le_bytes(seed), secret, config);
        let core = Arc::new(Mutex::new(core));
        Ok((Self { core: Arc::clone(&core) }, Driver::new(core)))
    }

    /// Connects to an address.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`], [`io::ErrorKind::TimedOut`] where nobody answers, [`io::ErrorKind::NetworkUnreachable`] where
    /// there is no way there, [`io::ErrorKind::InvalidInput`] where nobody can be there, [`io::ErrorKind::QuotaExceeded`] where there are as many connections as [`Limits`] allows.
    pub async fn connect(&self, to: SocketAddr) -> io::Result<NetFlow> {
        let key = core::lock(&self.core).connect(to)?;
        // Dropped before it is connected, it is aborted.
        let flow = NetFlow::new(Arc::clone(&self.core), key);
        poll_fn(|cx| core::lock(&self.core).poll_connected(key, cx)).await?;
        Ok(flow)
    }

    /// The addresses that the stack has now: those it was given, one of a DHCP server, and those of SLAAC.
    #[must_use]
    pub fn addresses(&self) -> Vec<Cidr> {
        core::lock(&self.core).addresses()
    }

    /// Waits until there is an address, as by DHCP, that leads further than the link. There is none where the card failed.
    pub async fn addressed(&self) -> Vec<Cidr> {
        poll_fn(|cx| core::lock(&self.core).poll_addressed(cx)).await
    }

    /// Waits until the addresses are others than these, and gives them. They change with DHCP and SLAAC alone.
    pub async fn addresses_other_than(&self, known: &[Cidr]) -> Vec<Cidr> {
        poll_fn(|cx| core::lock(&self.core).poll_other_addresses(known, cx)).await
    }

    /// How many sockets there are: flows in use, on their way in, and on their way out.
    #[must_use]
    pub fn sockets(&self) -> usize {
        core::lock(&self.core).sockets()
    }
}

impl Stack for Netstack {
    type Listener = NetListener;

    async fn listen(&self, address: SocketAddr) -> io::Result<NetListener> {
        let (id, address) = core::lock(&self.core).listen(address)?;
        Ok(NetListener::new(Arc::clone(&self.core), id, address))
    }
}

impl std::fmt::Debug for Netstack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Netstack").finish_non_exhaustive()
    }
}
