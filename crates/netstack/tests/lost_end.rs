//! The end of a flow is lost, and acknowledgements of what was before it come again: the end is sent again all the same.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use std::collections::VecDeque;
use std::io;
use std::task::Waker;
use std::time::Duration;

use device::sim::{SimEthernet, SimRandom, WireTrouble};
use device::{Ethernet, Listener, Stack};
use netstack::{Config, Netstack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Where a TCP segment without IP options has its flags.
const FLAGS: usize = 14 + 20 + 13;
const FIN: u8 = 1;
const ACK: u8 = 0x10;

/// A card that loses the first end it is to send, after which the last acknowledgement comes four times more.
struct Card {
    cable: SimEthernet,
    acknowledgement: Vec<u8>,
    again: VecDeque<Vec<u8>>,
    has_lost: bool,
}

fn is_tcp(frame: &[u8]) -> bool {
    frame.len() > FLAGS && frame[12..14] == [8, 0] && frame[23] == 6
}

impl Ethernet for Card {
    fn mac(&self) -> [u8; 6] {
        self.cable.mac()
    }

    fn mtu(&self) -> usize {
        self.cable.mtu()
    }

    fn receive(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        if let Some(frame) = self.again.pop_front() {
            out[..frame.len()].copy_from_slice(&frame);
            return Ok(Some(frame.len()));
        }
        let len = self.cable.receive(out)?;
        if let Some(frame) = len.map(|len| &out[..len])
            && is_tcp(frame)
            && frame[FLAGS] == ACK
        {
            self.acknowledgement = frame.to_vec();
        }
        Ok(len)
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<bool> {
        if is_tcp(frame) && frame[FLAGS] & FIN != 0 && !self.has_lost {
            self.has_lost = true;
            self.again.extend(std::iter::repeat_n(self.acknowledgement.clone(), 4));
            return Ok(true);
        }
        self.cable.send(frame)
    }

    fn register(&mut self, waker: &Waker) {
        self.cable.register(waker);
        if !self.again.is_empty() {
            waker.wake_by_ref();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_lost_is_sent_again_whatever_is_acknowledged_again() {
    let (cable, other) = SimEthernet::pair(WireTrouble::default());
    let card = Card { cable, acknowledgement: Vec::new(), again: VecDeque::new(), has_lost: false };
    let config = |address: &str| Config::default().address(address.parse().unwrap());
    let (server, driver) = Netstack::new(card, &SimRandom::new(1), config("10.0.0.1/24")).unwrap();
    tokio::spawn(driver);
    let (client, driver) = Netstack::new(other, &SimRandom::new(2), config("10.0.0.2/24")).unwrap();
    tokio::spawn(driver);
    let at = "10.0.0.1:80".parse().unwrap();
    let mut listener = server.listen(at).await.unwrap();
    let mut asking = client.connect(at).await.unwrap();
    let (mut flow, _) = listener.accept().await.unwrap();
    flow.write_all(b"all of it").await.unwrap();
    let mut got = [0; 9];
    asking.read_exact(&mut got).await.unwrap();
    // What was written is acknowledged.
    tokio::time::sleep(Duration::from_secs(1)).await;
    flow.shutdown().await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(30), asking.read(&mut got)).await;
    assert_eq!(end.expect("the end is sent again").unwrap(), 0);
}
