//! Whatever comes off the wire, while a service runs: nothing panics or spins, sockets stay in their bound and come back, and what is
//! read of a connection is what its client has sent.
//!
//! The input is a list of deeds: segments of four clients that nearly fit, other packets with good checksums, raw frames, time that
//! passes, and what the service does with its flows.

use std::time::Duration;

use device::sim::{SimEthernet, SimRandom, WireTrouble};
use device::{Ethernet, Listener, Peer as From, Stack};
use netstack::{Config, DriverError, Limits, NetFlow, NetListener, Netstack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::input::Input;
use crate::peer::{self, Client, content};

/// Deeds that are done of an input.
const MOST: usize = 256;
const LIMITS: Limits = Limits {
    sockets: 8,
    half_open: 3,
    backlog: 4,
    receive: 2048,
    send: 3000,
    silence: Duration::from_secs(5),
    keep_alive: Duration::from_secs(2),
    leaving: Duration::from_secs(2),
};

/// Does what the input says.
pub(crate) fn run(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { World::new().live(Input(data)).await });
}

struct World {
    stack: Netstack,
    driver: JoinHandle<DriverError>,
    /// What was last asked of a DHCP server.
    question: u32,
    wire: SimEthernet,
    listener: Option<NetListener>,
    clients: [Client; 4],
    flows: Vec<Served>,
    /// A raw frame may have been a segment: what is read is no more known.
    is_forged: bool,
}

struct Served {
    flow: NetFlow,
    /// Which client it is of, and how many bytes were read.
    client: usize,
    read: usize,
}

impl World {
    fn new() -> Self {
        let (card, wire) = SimEthernet::pair(WireTrouble::default());
        let config = Config::default().address("10.0.0.1/24".parse().unwrap()).address("fd00::1/64".parse().unwrap());
        let config = config.slaac().dhcp().limits(LIMITS);
        let (stack, driver) = Netstack::new(card, &SimRandom::new(1), config).unwrap();
        let driver = tokio::spawn(driver);
        let clients =
            [(4000, false), (4001, false), (4000, true), (4001, true)].map(|(port, v6)| Client::new(port, v6));
        Self { stack, driver, question: 0, wire, listener: None, clients, flows: Vec::new(), is_forged: false }
    }

    async fn live(mut self, mut input: Input<'_>) {
        self.listener = Some(self.stack.listen("[::]:80".parse().unwrap()).await.unwrap());
        for _ in 0..MOST {
            if input.is_empty() {
                break;
            }
            self.deed(&mut input).await;
            self.pass(Duration::from_millis(1)).await;
            assert!(!self.driver.is_finished(), "the driver ended");
            assert!(self.stack.sockets() <= LIMITS.sockets, "{} sockets", self.stack.sockets());
        }
        self.listener = None;
        self.flows.clear();
        self.pass(LIMITS.silence + 2 * LIMITS.leaving + Duration::from_secs(5)).await;
        assert!(!self.driver.is_finished(), "the driver ended");
        assert_eq!(self.stack.sockets(), 0, "sockets that nobody holds");
    }

    async fn deed(&mut self, input: &mut Input<'_>) {
        match input.byte() % 8 {
            0..=3 => {
                let client = &mut self.clients[usize::from(input.byte() % 4)];
                let frame = client.segment(input);
                self.send(&frame);
            }
            4 => {
                let frame = peer::packet(input, self.question);
                self.is_forged |= peer::may_hold_a_segment(&frame);
                self.send(&frame);
            }
            5 => {
                let frame = input.bytes();
                self.is_forged |= peer::may_hold_a_segment(frame);
                self.send(frame);
            }
            6 => self.pass(Duration::from_millis(1 << (input.byte() % 14))).await,
            _ => self.serve(input).await,
        }
    }

    fn send(&mut self, frame: &[u8]) {
        assert!(self.wire.send(frame).unwrap());
    }

    /// Lets the stack work, and its clients see what it sends.
    async fn pass(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
        let mut frame = [0; 1514];
        while let Some(len) = self.wire.receive(&mut frame).unwrap() {
            self.clients.iter_mut().for_each(|client| client.hear(&frame[..len]));
            self.question = peer::question(&frame[..len]).unwrap_or(self.question);
            if let Some(answer) = peer::neighbour(&frame[..len]) {
                self.send(&answer);
            }
        }
    }

    /// One thing that a service does.
    async fn serve(&mut self, input: &mut Input<'_>) {
        let (deed, which) = (input.byte(), usize::from(input.byte()));
        let moment = Duration::from_millis(1);
        if deed.is_multiple_of(6) || self.flows.is_empty() {
            let Some(listener) = &mut self.listener else { return };
            let Ok(accepted) = timeout(moment, listener.accept()).await else { return };
            let (flow, from) = accepted.unwrap();
            let client = self.clients.iter().position(|client| From::Ip(client.at()) == from);
            match client {
                Some(client) => self.flows.push(Served { flow, client, read: 0 }),
                None => assert!(self.is_forged, "a connection of nobody: {from:?}"),
            }
            return;
        }
        let which = which % self.flows.len();
        let served = &mut self.flows[which];
        match deed % 6 {
            1 | 2 => {
                let mut read = [0; 700];
                if let Ok(Ok(len)) = timeout(moment, served.flow.read(&mut read)).await {
                    for (at, byte) in read[..len].iter().enumerate() {
                        let at = served.read + at;
                        let is_right = *byte == content(served.client, at) || at >= self.clients[served.client].end;
                        assert!(is_right || self.is_forged, "another byte at {at}");
                    }
                    served.read += len;
                }
            }
            3 => {
                let bytes = vec![7; usize::from(input.byte()) * 20];
                let _ = timeout(moment, served.flow.write(&bytes)).await;
            }
            4 => {
                let _ = timeout(moment, served.flow.shutdown()).await;
            }
            _ => {
                let served = self.flows.swap_remove(which);
                if input.byte().is_multiple_of(2) {
                    served.flow.reset();
                }
            }
        }
    }
}
