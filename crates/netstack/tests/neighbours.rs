//! Many clients whose cards the stack does not know begin connections at once, and some who are not there.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use device::sim::{SimEthernet, SimRandom, WireTrouble};
use device::{Ethernet, Stack};
use netstack::{Config, NetListener, Netstack};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, Icmpv6Packet,
    Icmpv6Repr, IpProtocol, IpRepr, Ipv4Packet, Ipv6Packet, Ipv6Repr, NdiscNeighborFlags, NdiscRepr, TcpControl,
    TcpPacket, TcpRepr, TcpSeqNumber,
};
use tokio::time::{Instant, sleep};

const SERVER4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const ROUTER4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
const SERVER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const SERVER_CARD: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
const CARD: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);

/// The neighbours, all behind one card.
struct Neighbours {
    card: SimEthernet,
    /// How many questions they have heard.
    questions: usize,
    _stack: (Netstack, Vec<NetListener>),
}

impl Neighbours {
    async fn new() -> Self {
        let (cable, card) = SimEthernet::pair(WireTrouble::default());
        let config = Config::default()
            .address("10.0.0.1/16".parse().unwrap())
            .address("fd00::1/64".parse().unwrap())
            .gateway(ROUTER4.into());
        let (stack, driver) = Netstack::new(cable, &SimRandom::new(1), config).unwrap();
        tokio::spawn(driver);
        let listeners =
            vec![stack.listen((SERVER4, 80).into()).await.unwrap(), stack.listen((SERVER6, 80).into()).await.unwrap()];
        Self { card, questions: 0, _stack: (stack, listeners) }
    }

    fn send(&mut self, ethertype: EthernetProtocol, len: usize, emit: impl FnOnce(&mut [u8])) {
        let header = EthernetRepr { src_addr: CARD, dst_addr: SERVER_CARD, ethertype };
        let mut bytes = vec![0; header.buffer_len() + len];
        let mut frame = EthernetFrame::new_unchecked(&mut bytes);
        header.emit(&mut frame);
        emit(frame.payload_mut());
        assert!(self.card.send(&bytes).unwrap());
    }

    fn begin(&mut self, from: IpAddr) {
        let to = if from.is_ipv4() { IpAddr::V4(SERVER4) } else { IpAddr::V6(SERVER6) };
        let tcp = TcpRepr {
            src_port: 1000,
            dst_port: 80,
            control: TcpControl::Syn,
            seq_number: TcpSeqNumber(7),
            ack_number: None,
            window_len: 1000,
            window_scale: None,
            max_seg_size: Some(1460),
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        let checksums = ChecksumCapabilities::default();
        let ip = IpRepr::new(from.into(), to.into(), IpProtocol::Tcp, tcp.buffer_len(), 64);
        let ethertype = if from.is_ipv4() { EthernetProtocol::Ipv4 } else { EthernetProtocol::Ipv6 };
        self.send(ethertype, ip.header_len() + tcp.buffer_len(), |payload| {
            ip.emit(&mut *payload, &checksums);
            let mut segment = TcpPacket::new_unchecked(&mut payload[ip.header_len()..]);
            tcp.emit(&mut segment, &from.into(), &to.into(), &checksums);
        });
    }

    /// Who has an answer to what it began. Those of whom it `is` true answer for their cards.
    fn heard(&mut self, is_there: impl Fn(IpAddr) -> bool) -> Vec<IpAddr> {
        let mut answered = Vec::new();
        let mut frame = [0; 1514];
        while let Some(len) = self.card.receive(&mut frame).unwrap() {
            let ethernet = EthernetFrame::new_checked(&frame[..len]).unwrap();
            match ethernet.ethertype() {
                EthernetProtocol::Arp => {
                    let arp = ArpRepr::parse(&ArpPacket::new_checked(ethernet.payload()).unwrap()).unwrap();
                    let ArpRepr::EthernetIpv4 {
                        operation,
                        source_hardware_addr,
                        source_protocol_addr,
                        target_protocol_addr,
                        ..
                    } = arp
                    else {
                        unreachable!("smoltcp reads no other: {arp:?}")
                    };
                    assert_eq!(
                        (operation, source_hardware_addr, source_protocol_addr),
                        (ArpOperation::Request, SERVER_CARD, SERVER4)
                    );
                    self.questions += 1;
                    if is_there(target_protocol_addr.into()) {
                        self.answer4(target_protocol_addr);
                    }
                }
                EthernetProtocol::Ipv4 => {
                    answered.push(Ipv4Packet::new_checked(ethernet.payload()).unwrap().dst_addr().into());
                }
                EthernetProtocol::Ipv6 => {
                    let packet = Ipv6Packet::new_checked(ethernet.payload()).unwrap();
                    let (from, to) = (packet.src_addr(), packet.dst_addr());
                    if packet.next_header() != IpProtocol::Icmpv6 {
                        answered.push(to.into());
                        continue;
                    }
                    let message = Icmpv6Packet::new_checked(packet.payload()).unwrap();
                    let message = Icmpv6Repr::parse(&from, &to, &message, &ChecksumCapabilities::default()).unwrap();
                    if let Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit { target_addr, lladdr }) = message {
                        assert_eq!((packet.hop_limit(), lladdr), (255, Some(SERVER_CARD.into())));
                        assert_eq!((from, ethernet.dst_addr().0[..3].to_vec()), (SERVER6, vec![0x33, 0x33, 0xff]));
                        self.questions += 1;
                        if is_there(target_addr.into()) {
                            self.answer6(target_addr);
                        }
                    }
                }
                EthernetProtocol::Unknown(_) => {}
            }
        }
        answered
    }

    fn answer4(&mut self, neighbour: Ipv4Addr) {
        let arp = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: CARD,
            source_protocol_addr: neighbour,
            target_hardware_addr: SERVER_CARD,
            target_protocol_addr: SERVER4,
        };
        self.send(EthernetProtocol::Arp, arp.buffer_len(), |payload| arp.emit(&mut ArpPacket::new_unchecked(payload)));
    }

    fn answer6(&mut self, neighbour: Ipv6Addr) {
        let message = Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
            flags: NdiscNeighborFlags::SOLICITED | NdiscNeighborFlags::OVERRIDE,
            target_addr: neighbour,
            lladdr: Some(CARD.into()),
        });
        let packet = Ipv6Repr {
            src_addr: neighbour,
            dst_addr: SERVER6,
            next_header: IpProtocol::Icmpv6,
            payload_len: message.buffer_len(),
            hop_limit: 255,
        };
        self.send(EthernetProtocol::Ipv6, packet.buffer_len() + message.buffer_len(), |payload| {
            let mut whole = Ipv6Packet::new_unchecked(payload);
            packet.emit(&mut whole);
            let mut inner = Icmpv6Packet::new_unchecked(whole.payload_mut());
            message.emit(&neighbour, &SERVER6, &mut inner, &ChecksumCapabilities::default());
        });
    }
}

#[tokio::test(start_paused = true)]
async fn neighbours_who_come_all_at_once_do_not_wait_for_each_other() {
    let mut neighbours = Neighbours::new().await;
    let crowd =
        |n: u8| [IpAddr::V4(Ipv4Addr::new(10, 0, 1, n)), IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 1, n.into()))];
    let crowd: Vec<_> = (1..=50).flat_map(crowd).collect();
    for client in &crowd {
        neighbours.begin(*client);
    }
    let mut answered = Vec::new();
    for _ in 0..20 {
        sleep(Duration::from_millis(5)).await;
        answered.extend(neighbours.heard(|_| true));
    }
    assert!(crowd.iter().all(|client| answered.contains(client)), "{} of {}", answered.len(), crowd.len());
}

/// A flood of beginnings in the names of neighbours who are not there, on and on.
#[tokio::test(start_paused = true)]
async fn neighbours_who_are_not_there_keep_nobody_from_the_router() {
    let mut neighbours = Neighbours::new().await;
    let begun = Instant::now();
    let (mut clients, mut answered, mut number) = (0, 0, 0_u16);
    while begun.elapsed() < Duration::from_secs(150) {
        // So few that there is a place for each that is half open.
        for _ in 0..4 {
            number = number.wrapping_add(1);
            let [high, low] = number.to_be_bytes();
            neighbours.begin(Ipv4Addr::new(10, 0, 64 | high & 63, low).into());
        }
        // Every four seconds somebody beyond the router.
        if begun.elapsed().as_millis() % 4000 < 20 {
            clients += 1;
            let client = Ipv4Addr::new(192, 0, 2, clients);
            neighbours.begin(client.into());
            for _ in 0..50 {
                sleep(Duration::from_millis(10)).await;
                let heard = neighbours.heard(|neighbour| neighbour == ROUTER4);
                answered += u8::from(heard.contains(&client.into()));
            }
        }
        sleep(Duration::from_millis(20)).await;
        neighbours.heard(|neighbour| neighbour == ROUTER4);
    }
    assert!(clients >= 30, "{clients}");
    assert!(answered >= clients, "{answered} of {clients}");
    // A few hundred in a second, whatever comes.
    assert!(neighbours.questions < 150 * 300, "{}", neighbours.questions);
}
