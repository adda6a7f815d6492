//! A receiver that acknowledges rarely, as Linux does what its program reads at once: the sender's window widens by what is acknowledged,
//! not by how often.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Waker;

use device::sim::{SimEthernet, SimRandom, WireTrouble};
use device::{Ethernet, Listener, Stack};
use netstack::{Config, Limits, Netstack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Where a TCP segment without IP options has its flags.
const FLAGS: usize = 14 + 20 + 13;
const ACK: u8 = 0x10;
const BYTES: usize = 1 << 20;

/// A card that passes on only the last of the acknowledgements that have come.
struct Card {
    cable: SimEthernet,
    acknowledgements: Arc<AtomicUsize>,
}

fn is_bare(frame: &[u8]) -> bool {
    let is_tcp = frame.len() > FLAGS && frame[12..14] == [8, 0] && frame[23] == 6;
    let headers = || 20 + usize::from(frame[FLAGS - 1] >> 4) * 4;
    is_tcp && frame[FLAGS] == ACK && usize::from(u16::from_be_bytes([frame[16], frame[17]])) == headers()
}

impl Ethernet for Card {
    fn mac(&self) -> [u8; 6] {
        self.cable.mac()
    }

    fn mtu(&self) -> usize {
        self.cable.mtu()
    }

    fn receive(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        let mut held = None;
        while let Some(len) = self.cable.receive(out)? {
            held = Some(len);
            if !is_bare(&out[..len]) {
                return Ok(held);
            }
        }
        self.acknowledgements.fetch_add(usize::from(held.is_some()), Relaxed);
        Ok(held)
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<bool> {
        self.cable.send(frame)
    }

    fn register(&mut self, waker: &Waker) {
        self.cable.register(waker);
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_widens_by_what_is_acknowledged() {
    let (cable, other) = SimEthernet::pair(WireTrouble::default());
    let acknowledgements = Arc::new(AtomicUsize::new(0));
    let card = Card { cable, acknowledgements: Arc::clone(&acknowledgements) };
    let limits = Limits { receive: BYTES, send: BYTES, ..Limits::default() };
    let config = |address: &str| Config::default().address(address.parse().unwrap()).limits(limits);
    let (server, driver) = Netstack::new(card, &SimRandom::new(1), config("10.0.0.1/24")).unwrap();
    tokio::spawn(driver);
    let (client, driver) = Netstack::new(other, &SimRandom::new(2), config("10.0.0.2/24")).unwrap();
    tokio::spawn(driver);
    let at = "10.0.0.1:80".parse().unwrap();
    let mut listener = server.listen(at).await.unwrap();
    let (accepted, flow) = tokio::join!(listener.accept(), client.connect(at));
    let (mut sender, mut receiver) = (accepted.unwrap().0, flow.unwrap());
    let before = acknowledgements.load(Relaxed);
    let mut came = vec![0; BYTES];
    let data = vec![7; BYTES];
    let (sent, read) = tokio::join!(sender.write_all(&data), receiver.read_exact(&mut came));
    sent.unwrap();
    read.unwrap();
    assert!(came == data);
    // By one segment for each of them, it takes some forty to carry 700 segments.
    let acknowledgements = acknowledgements.load(Relaxed) - before;
    assert!(acknowledgements <= 24, "{acknowledgements} acknowledgements");
}
