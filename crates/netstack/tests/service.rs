//! Honest clients are served while a stranger on the same cable does his worst, in virtual time, and nobody passes for another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use device::sim::{SimEthernet, SimRandom, WireTrouble};
use device::{Ethernet, Listener, Peer, Random, Stack};
use netstack::{Config, Limits, NetListener, Netstack};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol,
    Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 66);

/// The server's card, at which a stranger's frames arrive as well.
struct Card {
    cable: SimEthernet,
    tap: Stranger,
}

#[derive(Clone, Default)]
struct Stranger {
    frames: Arc<Mutex<VecDeque<Vec<u8>>>>,
    waker: Arc<Mutex<Option<Waker>>>,
    /// What was sent to him.
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Ethernet for Card {
    fn mac(&self) -> [u8; 6] {
        self.cable.mac()
    }

    fn mtu(&self) -> usize {
        self.cable.mtu()
    }

    fn receive(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        match self.tap.frames.lock().unwrap().pop_front() {
            Some(frame) => {
                out[..frame.len()].copy_from_slice(&frame);
                Ok(Some(frame.len()))
            }
            None => self.cable.receive(out),
        }
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<bool> {
        if frame.get(..6) == Some(mac_of(STRANGER).as_bytes()) {
            self.tap.heard.lock().unwrap().push(frame.to_vec());
            return Ok(true);
        }
        self.cable.send(frame)
    }

    fn register(&mut self, waker: &Waker) {
        self.cable.register(waker);
        *self.tap.waker.lock().unwrap() = Some(waker.clone());
        if !self.tap.frames.lock().unwrap().is_empty() {
            waker.wake_by_ref();
        }
    }
}

impl Stranger {
    /// Sends these frames, and waits until the server has dealt with them.
    async fn sends(&self, frames: impl IntoIterator<Item = Vec<u8>>) {
        self.frames.lock().unwrap().extend(frames);
        if let Some(waker) = self.waker.lock().unwrap().take() {
            waker.wake();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(self.frames.lock().unwrap().is_empty(), "frames wait for ever");
    }
}

fn mac_of(address: Ipv4Addr) -> EthernetAddress {
    let [a, b, c, d] = address.octets();
    EthernetAddress([6, 0, a, b, c, d])
}

fn frame(from: Ipv4Addr, ethertype: EthernetProtocol, payload: &[u8]) -> Vec<u8> {
    let header = EthernetRepr { src_addr: mac_of(from), dst_addr: EthernetAddress([2, 0, 0, 0, 0, 1]), ethertype };
    let mut frame = vec![0; header.buffer_len() + payload.len()];
    header.emit(&mut EthernetFrame::new_unchecked(&mut frame));
    frame[header.buffer_len()..].copy_from_slice(payload);
    frame
}

fn arp(from: Ipv4Addr, operation: ArpOperation) -> Vec<u8> {
    let repr = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: mac_of(from),
        source_protocol_addr: from,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: SERVER,
    };
    let mut packet = vec![0; repr.buffer_len()];
    repr.emit(&mut ArpPacket::new_unchecked(&mut packet));
    frame(from, EthernetProtocol::Arp, &packet)
}

fn ipv4(from: Ipv4Addr, next_header: IpProtocol, payload: &[u8]) -> Vec<u8> {
    let repr = Ipv4Repr { src_addr: from, dst_addr: SERVER, next_header, payload_len: payload.len(), hop_limit: 64 };
    let mut packet = vec![0; repr.buffer_len() + payload.len()];
    repr.emit(&mut Ipv4Packet::new_unchecked(&mut packet), &ChecksumCapabilities::default());
    packet[repr.buffer_len()..].copy_from_slice(payload);
    frame(from, EthernetProtocol::Ipv4, &packet)
}

fn tcp(from: Ipv4Addr, src_port: u16, control: TcpControl, seq: i32) -> Vec<u8> {
    let repr = TcpRepr {
        src_port,
        dst_port: 80,
        control,
        seq_number: TcpSeqNumber(seq),
        ack_number: None,
        window_len: 1000,
        window_scale: None,
        max_seg_size: Some(1460),
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let mut segment = vec![0; repr.buffer_len()];
    let (from_ip, to_ip) = (from.into(), SERVER.into());
    let checksums = ChecksumCapabilities::default();
    repr.emit(&mut TcpPacket::new_unchecked(&mut segment[..]), &from_ip, &to_ip, &checksums);
    ipv4(from, IpProtocol::Tcp, &segment)
}

/// A server with its listener, an honest client on its cable, and a stranger.
async fn world(limits: Limits) -> (Netstack, NetListener, Netstack, Stranger) {
    let (cable, other) = SimEthernet::pair(WireTrouble::default());
    let tap = Stranger::default();
    let card = Card { cable, tap: tap.clone() };
    let here = Config::default().address("10.0.0.1/8".parse().unwrap()).limits(limits);
    let there = Config::default().address("10.0.0.2/8".parse().unwrap());
    let (server, driver) = Netstack::new(card, &SimRandom::new(1), here).unwrap();
    tokio::spawn(driver);
    let (client, driver) = Netstack::new(other, &SimRandom::new(2), there).unwrap();
    tokio::spawn(driver);
    let listener = server.listen(at()).await.unwrap();
    (server, listener, client, tap)
}

fn at() -> SocketAddr {
    SocketAddr::new(SERVER.into(), 80)
}

/// An honest client is served, as who it is.
async fn serves(listener: &mut NetListener, client: &Netstack) {
    let mut asking = client.connect(at()).await.unwrap();
    asking.write_all(b"question").await.unwrap();
    let (mut flow, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, Peer::Ip(asking.ends().0));
    assert_eq!(flow.ends(), (asking.ends().1, asking.ends().0));
    let mut got = [0; 8];
    flow.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"question");
    flow.write_all(b"answer").await.unwrap();
    flow.shutdown().await.unwrap();
    let mut answer = Vec::new();
    asking.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");
}

fn somebody(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 1, 0, 0)) + n)
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_beginnings_takes_what_it_may_and_no_more() {
    let limits = Limits::default();
    let (server, mut listener, client, tap) = world(limits).await;
    serves(&mut listener, &client).await;
    for round in 0..10 {
        let flood = (0..2000).map(|n| tcp(somebody(round * 2000 + n), 1000, TcpControl::Syn, 5));
        tap.sends(flood).await;
        assert!(server.sockets() <= limits.half_open + 8, "{} sockets", server.sockets());
        serves(&mut listener, &client).await;
    }
    // The flood's connections are given up in time.
    tokio::time::sleep(limits.silence * 3).await;
    assert_eq!(server.sockets(), 0);
}

/// smoltcp lets a connection that its client took back listen again, for anybody.
#[tokio::test(start_paused = true)]
async fn a_beginning_that_is_taken_back_leaves_no_place_for_another() {
    let (server, mut listener, client, tap) = world(Limits::default()).await;
    tap.sends([arp(STRANGER, ArpOperation::Request)]).await;
    for port in 1000..1100 {
        // Both in one step of the server, and in two.
        tap.sends([tcp(STRANGER, port, TcpControl::Syn, 5), tcp(STRANGER, port, TcpControl::Rst, 6)]).await;
        tap.sends([tcp(STRANGER, port, TcpControl::Syn, 5)]).await;
        tap.sends([tcp(STRANGER, port, TcpControl::Rst, 6)]).await;
    }
    assert_eq!(server.sockets(), 0);
    serves(&mut listener, &client).await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_neighbours_takes_nobody_away() {
    let (_server, mut listener, client, tap) = world(Limits::default()).await;
    for round in 0..5 {
        let flood = (0..2000).flat_map(|n| {
            let from = somebody(round * 2000 + n);
            [arp(from, ArpOperation::Request), arp(from, ArpOperation::Reply)]
        });
        tap.sends(flood).await;
        serves(&mut listener, &client).await;
    }
}

/// More clients at once than may have begun at a time: who is answered stays, and the others are by a later try.
#[tokio::test(start_paused = true)]
async fn clients_who_come_all_at_once_do_not_push_each_other_out() {
    let limits = Limits { half_open: 64, backlog: 64, ..Limits::default() };
    let (_server, mut listener, client, _) = world(limits).await;
    tokio::spawn(async move {
        let mut flows = Vec::new();
        loop {
            let (mut flow, _) = listener.accept().await.unwrap();
            flow.write_all(b"welcome").await.unwrap();
            flows.push(flow);
        }
    });
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..256 {
        let client = client.clone();
        clients.spawn(async move {
            let mut flow = client.connect(at()).await.unwrap();
            let mut said = [0; 7];
            flow.read_exact(&mut said).await.unwrap();
            assert_eq!(&said, b"welcome");
            flow
        });
    }
    let served = tokio::time::timeout(Duration::from_secs(60), clients.join_all()).await;
    assert_eq!(served.expect("all are served").len(), 256);
}

/// Where all places are taken, by those who are served and by a flood, a newcomer gets one of the flood's.
#[tokio::test(start_paused = true)]
async fn a_flood_does_not_keep_the_last_places() {
    let limits = Limits { sockets: 20, half_open: 16, ..Limits::default() };
    let (server, mut listener, client, tap) = world(limits).await;
    let mut served = Vec::new();
    for _ in 0..12 {
        served.push((client.connect(at()).await.unwrap(), listener.accept().await.unwrap()));
    }
    tap.sends((0..100).map(|n| tcp(somebody(n), 1000, TcpControl::Syn, 5))).await;
    assert_eq!(server.sockets(), limits.sockets);
    serves(&mut listener, &client).await;
}

/// Clients who keep their ends of connections that the server is done with do not keep their places.
#[tokio::test(start_paused = true)]
async fn who_does_not_leave_makes_room_for_others() {
    let (_server, mut listener, client, _) = world(Limits { sockets: 8, ..Limits::default() }).await;
    let mut kept = Vec::new();
    for round in 0..50 {
        let served = async {
            let mut flow = client.connect(at()).await.unwrap();
            listener.accept().await.unwrap().0.write_all(b"bye").await.unwrap();
            let mut said = Vec::new();
            flow.read_to_end(&mut said).await.unwrap();
            assert_eq!(said, b"bye");
            flow
        };
        let flow = tokio::time::timeout(Duration::from_secs(10), served).await;
        kept.push(flow.unwrap_or_else(|_| panic!("round {round}: nobody is served any more")));
    }
}

/// Clients who ask and then take nothing do not keep their places, once the server has left them what it had to say.
#[tokio::test(start_paused = true)]
async fn who_takes_nothing_makes_room_for_others() {
    let limits = Limits { sockets: 8, ..Limits::default() };
    let (_server, mut listener, client, _) = world(limits).await;
    let mut kept = Vec::new();
    for round in 0..50 {
        let served = async {
            let flow = client.connect(at()).await.unwrap();
            // More than the client's window, which closes, and all that is left has room here.
            let (mut answering, _) = listener.accept().await.unwrap();
            answering.write_all(&vec![1; limits.send * 3 / 2]).await.unwrap();
            flow
        };
        let flow = tokio::time::timeout(Duration::from_secs(10), served).await;
        kept.push(flow.unwrap_or_else(|_| panic!("round {round}: nobody is served any more")));
    }
}

/// However many come to one listener, there is a place for who comes to another.
#[tokio::test(start_paused = true)]
async fn each_listener_keeps_places_of_its_own() {
    let limits = Limits { sockets: 32, ..Limits::default() };
    let (server, mut listener, client, _) = world(limits).await;
    let operator = SocketAddr::new(SERVER.into(), 9000);
    let mut other = server.listen(operator).await.unwrap();
    let mut held = Vec::new();
    let crowd = async {
        loop {
            held.push((client.connect(at()).await.unwrap(), listener.accept().await.unwrap()));
        }
    };
    tokio::time::timeout(Duration::from_secs(10), crowd).await.unwrap_err();
    assert_eq!(held.len(), 30, "two of 32 places are left to the other");
    for _ in 0..2 {
        let asking = tokio::time::timeout(Duration::from_secs(10), client.connect(operator)).await;
        held.push((asking.expect("a place is left").unwrap(), other.accept().await.unwrap()));
    }
    assert_eq!(server.sockets(), 32);
    // And both are served again once somebody leaves.
    held.drain(..3);
    serves(&mut listener, &client).await;
}

/// smoltcp's generator is known, and so is all that it gives, to who knows its seed or three numbers in a row (`rand.rs`).
#[tokio::test(start_paused = true)]
async fn first_numbers_are_not_those_of_a_generator() {
    let mut seed = [0; 8];
    SimRandom::new(1).fill(&mut seed).unwrap();
    let mut state = u64::from_le_bytes(seed);
    let foreseen: Vec<u32> = (0..64)
        .map(|_| {
            state = state.wrapping_mul(0xbb2e_fcec_3c39_611d).wrapping_add(0x7590_ef39);
            (state >> (29 - (state >> 61))) as u32
        })
        .collect();
    let (_server, _listener, _client, tap) = world(Limits::default()).await;
    tap.sends([arp(STRANGER, ArpOperation::Request)]).await;
    for port in 1000..1016 {
        tap.sends([tcp(STRANGER, port, TcpControl::Syn, 5)]).await;
    }
    let heard = tap.heard.lock().unwrap();
    let numbers = heard.iter().filter_map(|frame| {
        let ip = Ipv4Packet::new_checked(frame.get(14..)?).ok().filter(|ip| ip.next_header() == IpProtocol::Tcp)?;
        let answer = TcpPacket::new_checked(ip.payload()).unwrap();
        assert!(answer.syn() && answer.ack() && answer.verify_checksum(&SERVER.into(), &STRANGER.into()));
        Some(answer.seq_number().0.cast_unsigned())
    });
    let numbers: Vec<u32> = numbers.collect();
    assert!(numbers.len() >= 16, "{numbers:?}");
    assert!(numbers.iter().all(|number| !foreseen.contains(number)), "{numbers:?} of {foreseen:?}");
}

#[tokio::test(start_paused = true)]
async fn damaged_frames_are_passed_over() {
    let (server, mut listener, client, tap) = world(Limits::default()).await;
    let mut seed: u64 = 1;
    let mut chance = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for round in 0..20_u16 {
        let mut frames = Vec::new();
        for n in 0..500 {
            let mut frame = match n % 4 {
                0 => arp(STRANGER, ArpOperation::Request),
                1 => tcp(STRANGER, round, TcpControl::Syn, n),
                2 => tcp(STRANGER, round, TcpControl::Fin, n),
                _ => ipv4(STRANGER, IpProtocol::from(chance(256) as u8), &[n as u8; 64]),
            };
            for _ in 0..=chance(3) {
                let at = chance(frame.len());
                frame[at] = chance(256) as u8;
            }
            frame.truncate(frame.len() - if chance(3) == 0 { chance(frame.len()) } else { 0 });
            frames.push(frame);
        }
        tap.sends(frames).await;
        assert!(server.sockets() <= Limits::default().half_open + 8);
        serves(&mut listener, &client).await;
    }
}
