//! What comes off a wire that nobody guards: floods, garbage, pings. The other end of the cable is this test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;

use device::sim::{SimEthernet, SimRandom, WireTrouble};
use device::{Ethernet, Listener, Stack};
use netstack::{Config, Limits, Netstack};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, Icmpv4Packet, Icmpv4Repr,
    IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};

const HERE: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
const MTU: usize = 1514;

/// A stack at 10.0.0.1, and the wire to it.
struct Wire {
    stack: Netstack,
    card: SimEthernet,
    mac: EthernetAddress,
}

impl Wire {
    fn new(limits: Limits) -> Self {
        let (near, card) = SimEthernet::pair(WireTrouble::default());
        let mac = EthernetAddress(near.mac());
        let config = Config::default().address("10.0.0.1/8".parse().unwrap()).limits(limits);
        let (stack, driver) = Netstack::new(near, &SimRandom::new(1), config).unwrap();
        tokio::spawn(driver);
        Self { stack, card, mac }
    }

    async fn send(&mut self, frame: &[u8]) {
        while !self.card.send(frame).unwrap() {
            // The stack's answers are not what is waited for: they are taken off the wire.
            self.drain();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Every frame that came.
    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut buffer = vec![0; MTU];
        while let Some(len) = self.card.receive(&mut buffer).unwrap() {
            frames.push(buffer[..len].to_vec());
        }
        frames
    }

    /// A frame with an IPv4 packet of this protocol, from this address.
    fn ipv4(&self, from: Ipv4Address, protocol: IpProtocol, len: usize, fill: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let ip = Ipv4Repr { src_addr: from, dst_addr: HERE, next_header: protocol, payload_len: len, hop_limit: 64 };
        let ethernet = EthernetRepr {
            src_addr: EthernetAddress(self.card.mac()),
            dst_addr: self.mac,
            ethertype: EthernetProtocol::Ipv4,
        };
        let mut frame = vec![0; ethernet.buffer_len() + ip.buffer_len() + len];
        let mut out = EthernetFrame::new_unchecked(&mut frame);
        ethernet.emit(&mut out);
        let mut packet = Ipv4Packet::new_unchecked(out.payload_mut());
        ip.emit(&mut packet, &ChecksumCapabilities::default());
        fill(packet.payload_mut());
        frame
    }

    /// The beginning of a connection from this address and port.
    fn beginning(&self, from: SocketAddr, port: u16) -> Vec<u8> {
        let SocketAddr::V4(from) = from else { panic!("an IPv4 address") };
        let tcp = TcpRepr {
            src_port: from.port(),
            dst_port: port,
            control: TcpControl::Syn,
            seq_number: TcpSeqNumber(7),
            ack_number: None,
            window_len: 1000,
            window_scale: None,
            max_seg_size: Some(1400),
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        self.ipv4(*from.ip(), IpProtocol::Tcp, tcp.buffer_len(), |out| {
            let (from, to) = ((*from.ip()).into(), HERE.into());
            tcp.emit(&mut TcpPacket::new_unchecked(out), &from, &to, &ChecksumCapabilities::default());
        })
    }

    /// Who has this address is here.
    fn arp(&self, address: Ipv4Address) -> Vec<u8> {
        let me = EthernetAddress(self.card.mac());
        let arp = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: me,
            source_protocol_addr: address,
            target_hardware_addr: EthernetAddress::BROADCAST,
            target_protocol_addr: HERE,
        };
        let ethernet =
            EthernetRepr { src_addr: me, dst_addr: EthernetAddress::BROADCAST, ethertype: EthernetProtocol::Arp };
        let mut frame = vec![0; ethernet.buffer_len() + arp.buffer_len()];
        let mut out = EthernetFrame::new_unchecked(&mut frame);
        ethernet.emit(&mut out);
        arp.emit(&mut smoltcp::wire::ArpPacket::new_unchecked(out.payload_mut()));
        frame
    }

    /// Whether the stack answers a ping with what it was sent.
    async fn answers_a_ping(&mut self) -> bool {
        let from = Ipv4Address::new(10, 0, 0, 2);
        let ping = Icmpv4Repr::EchoRequest { ident: 9, seq_no: 4, data: b"are you there?" };
        let frame = self.ipv4(from, IpProtocol::Icmp, ping.buffer_len(), |out| {
            ping.emit(&mut Icmpv4Packet::new_unchecked(out), &ChecksumCapabilities::default());
        });
        let arp = self.arp(from);
        self.send(&arp).await;
        self.send(&frame).await;
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            for frame in self.drain() {
                let frame = EthernetFrame::new_checked(&frame[..]).unwrap();
                let Ok(packet) = Ipv4Packet::new_checked(frame.payload()) else { continue };
                if packet.next_header() != IpProtocol::Icmp {
                    continue;
                }
                let icmp = Icmpv4Packet::new_checked(packet.payload()).unwrap();
                let said = Icmpv4Repr::parse(&icmp, &ChecksumCapabilities::default()).unwrap();
                if said == (Icmpv4Repr::EchoReply { ident: 9, seq_no: 4, data: b"are you there?" }) {
                    return true;
                }
            }
        }
        false
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered() {
    assert!(Wire::new(Limits::default()).answers_a_ping().await);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_beginnings_fills_no_memory_and_ends_with_itself() {
    let limits = Limits { half_open: 64, silence: Duration::from_secs(30), ..Limits::default() };
    let mut wire = Wire::new(limits);
    let mut listener = wire.stack.listen("10.0.0.1:80".parse().unwrap()).await.unwrap();
    for n in 0..5000_u32 {
        let from = SocketAddr::new([10, 1, (n >> 8) as u8, n as u8].into(), 2000);
        let frame = wire.beginning(from, 80);
        wire.send(&frame).await;
        if n % 500 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert!(wire.stack.sockets() <= 64, "{} sockets", wire.stack.sockets());
        }
    }
    // Where nobody listens there is nothing to keep.
    for port in 1000..1200 {
        let frame = wire.beginning("10.0.0.2:2000".parse().unwrap(), port);
        wire.send(&frame).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(wire.stack.sockets() <= 64, "{} sockets", wire.stack.sockets());
    assert!(wire.answers_a_ping().await);
    // Nobody completes them: they are given up.
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(wire.stack.sockets(), 0);
    assert!(tokio::time::timeout(Duration::from_secs(1), listener.accept()).await.is_err(), "somebody was accepted");
}

#[tokio::test(start_paused = true)]
async fn floods_of_arp_and_of_garbage_do_no_harm() {
    let mut wire = Wire::new(Limits::default());
    let _listener = wire.stack.listen("0.0.0.0:80".parse().unwrap()).await.unwrap();
    for n in 0..5000_u32 {
        let frame = wire.arp(Ipv4Address::new(10, 2, (n >> 8) as u8, n as u8));
        wire.send(&frame).await;
    }
    let mut state = 1_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let good = [
        wire.beginning("10.0.0.2:2000".parse().unwrap(), 80),
        wire.arp(Ipv4Address::new(10, 0, 0, 2)),
        wire.ipv4(Ipv4Address::new(10, 0, 0, 2), IpProtocol::Udp, 60, |_| {}),
    ];
    for n in 0..20_000 {
        let mut frame = good[n % good.len()].clone();
        // Bytes that are wrong, an end that is missing, or nothing that was ever right.
        for _ in 0..1 + random() % 4 {
            let at = random() % frame.len();
            frame[at] = random() as u8;
        }
        frame.truncate(random() % (frame.len() + 1));
        if n % 7 == 0 {
            frame.iter_mut().skip(12).for_each(|byte| *byte = random() as u8);
        }
        wire.send(&frame).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(wire.answers_a_ping().await);
}
