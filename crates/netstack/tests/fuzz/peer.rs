//! The other end of the cable: clients that know where their connection stands, and a neighbour who answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, Icmpv4Packet,
    Icmpv6Packet, Icmpv6Repr, IpAddress, IpProtocol, IpRepr, Ipv4Packet, Ipv6Packet, NdiscNeighborFlags, NdiscRepr,
    RawHardwareAddress, TcpPacket, TcpSeqNumber, UdpPacket,
};

use crate::input::Input;

const SERVER: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
const HERE: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);
const SERVER_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const HERE_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const HERE_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
/// Both on the link, and everybody there.
const SERVER_LINK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 1);
const HERE_LINK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 2);
const EVERYBODY: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Addresses of IPv4 that a server may name, and mostly should not.
const NAMED: [[u8; 4]; 8] = [
    [10, 0, 0, 9],
    [10, 0, 0, 2],
    [0, 0, 0, 0],
    [255, 255, 255, 255],
    [224, 0, 0, 1],
    [255, 255, 255, 0],
    [10, 0, 0, 255],
    [127, 0, 0, 1],
];
/// Where a TCP header has its parts.
const FLAGS: usize = 13;
const OPTIONS: usize = 20;

/// What a client sends at a place of its connections.
pub(super) fn content(client: usize, at: usize) -> u8 {
    (at * 7 + at / 256 + client * 31) as u8
}

/// A client of port 80. Each of its connections begins with the same number.
pub(super) struct Client {
    number: usize,
    port: u16,
    v6: bool,
    first: TcpSeqNumber,
    /// What the server has sent up to, and what it has received up to.
    theirs: TcpSeqNumber,
    acknowledged: TcpSeqNumber,
    /// Where an end was said to be, the first one. What is sent behind it is nobody's.
    pub(super) end: usize,
}

impl Client {
    pub(super) fn new(port: u16, v6: bool) -> Self {
        let number = usize::from(port % 2) + 2 * usize::from(v6);
        // One of them wraps around soon.
        let first = TcpSeqNumber(if number == 0 { -500 } else { i32::MAX - 300 });
        Self { number, port, v6, first, theirs: TcpSeqNumber(0), acknowledged: first, end: usize::MAX }
    }

    pub(super) fn at(&self) -> SocketAddr {
        SocketAddr::new(if self.v6 { HERE_V6.into() } else { HERE_V4.into() }, self.port)
    }

    /// The next segment, with flags, numbers and a length that are what they ought to be, or a little beside.
    pub(super) fn segment(&mut self, input: &mut Input<'_>) -> Vec<u8> {
        let (kind, beside) = (input.byte(), input.byte());
        let aside = |on: bool, input: &mut Input<'_>| if on { isize::from(input.byte().cast_signed()) * 8 } else { 0 };
        let sequence = shifted(self.acknowledged, aside(beside & 1 != 0, input));
        let number = shifted(self.theirs, aside(beside & 2 != 0, input));
        let len = if beside & 4 != 0 { usize::from(input.byte()) * 5 } else { 0 };
        let window = if beside & 8 != 0 { u16::from(input.byte()) << (beside >> 5) } else { u16::MAX };
        let mut options = if beside & 16 != 0 { input.bytes() } else { &[] }.to_vec();
        options.truncate(40);
        options.resize(options.len().next_multiple_of(4), 0);
        // SYN, SYN and ACK, FIN, RST, and mostly data.
        let flags = match kind % 16 {
            0..=2 => 0x02,
            3 => 0x12,
            4 | 5 => 0x11,
            6 => 0x04,
            7 => kind >> 4 | (beside >> 4 << 4),
            _ => 0x10,
        };
        let sequence = if flags & 2 != 0 { self.first } else { sequence };
        let mut tcp = vec![0; OPTIONS + options.len() + len];
        tcp[OPTIONS..OPTIONS + options.len()].copy_from_slice(&options);
        // Bytes before the first, which are none of the connection, are anything.
        let offset = i64::from(sequence.0.wrapping_sub(self.first.0)) - 1 + i64::from(flags >> 1 & 1);
        for (at, byte) in tcp[OPTIONS + options.len()..].iter_mut().enumerate() {
            *byte = content(self.number, usize::try_from(offset + at as i64).unwrap_or_default());
        }
        if flags & 1 != 0 {
            self.end = self.end.min(usize::try_from(offset + len as i64).unwrap_or_default());
        }
        let mut packet = TcpPacket::new_unchecked(&mut tcp);
        packet.set_src_port(self.port);
        packet.set_dst_port(80);
        packet.set_seq_number(sequence);
        packet.set_ack_number(number);
        packet.set_header_len((OPTIONS + options.len()) as u8);
        packet.set_window_len(window);
        tcp[FLAGS] = flags;
        framed(self.v6, IpProtocol::Tcp, &mut tcp)
    }

    /// Takes note of what the server has sent to this client.
    pub(super) fn hear(&mut self, frame: &[u8]) {
        let Ok(frame) = EthernetFrame::new_checked(frame) else { return };
        let payload = frame.payload();
        let tcp = match frame.ethertype() {
            EthernetProtocol::Ipv4 if !self.v6 => Ipv4Packet::new_checked(payload)
                .ok()
                .filter(|packet| packet.next_header() == IpProtocol::Tcp)
                .map(|packet| packet.payload().to_vec()),
            EthernetProtocol::Ipv6 if self.v6 => Ipv6Packet::new_checked(payload)
                .ok()
                .filter(|packet| packet.next_header() == IpProtocol::Tcp)
                .map(|packet| packet.payload().to_vec()),
            _ => None,
        };
        let Some(tcp) = tcp.as_deref().and_then(|tcp| TcpPacket::new_checked(tcp).ok()) else { return };
        if tcp.dst_port() == self.port {
            self.theirs = tcp.seq_number() + tcp.segment_len();
            self.acknowledged = if tcp.ack() { tcp.ack_number() } else { self.acknowledged };
        }
    }
}

fn shifted(number: TcpSeqNumber, by: isize) -> TcpSeqNumber {
    TcpSeqNumber(number.0.wrapping_add(by as i32))
}

/// A packet of any protocol but TCP, whose checksum is right; `question` is the last that was asked of a DHCP server.
pub(super) fn packet(input: &mut Input<'_>, question: u32) -> Vec<u8> {
    let kind = input.byte();
    match kind & 0xe1 {
        0xe0 => return lease(input, question),
        0xe1 => return advertisement(input),
        _ => {}
    }
    let mut payload = input.bytes().to_vec();
    let (v6, protocol) = (kind & 1 != 0, kind >> 1);
    match protocol % 4 {
        0 if v6 && kind & 8 != 0 => {
            let to = if kind & 16 != 0 { SERVER_LINK } else { EVERYBODY };
            framed_between(HERE_LINK.into(), to.into(), IpProtocol::Icmpv6, &mut payload)
        }
        0 if v6 => framed(v6, IpProtocol::Icmpv6, &mut payload),
        0 => framed(v6, IpProtocol::Icmp, &mut payload),
        1 => framed(v6, IpProtocol::Udp, &mut payload),
        2 => framed(v6, IpProtocol::Igmp, &mut payload),
        _ => framed(v6, IpProtocol::from(protocol), &mut payload),
    }
}

/// What a router advertises.
fn advertisement(input: &mut Input<'_>) -> Vec<u8> {
    let mut message = vec![134, 0, 0, 0, 64, 0, 0, input.byte()];
    message.extend([0; 8]);
    for _ in 0..input.byte() % 4 {
        // Mostly the network 2001:db8::/64, that addresses follow from, for some seconds.
        let mut option = [0; 32];
        option[..4].copy_from_slice(&[3, 4, 64, 0xc0]);
        (option[7], option[11]) = (20, 20);
        option[16..20].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
        for _ in 0..input.byte() % 4 {
            let at = usize::from(input.byte() % 32);
            option[at] = input.byte();
        }
        message.extend(option);
    }
    framed_between(HERE_LINK.into(), EVERYBODY.into(), IpProtocol::Icmpv6, &mut message)
}

/// What a DHCP server answers (RFC 2131 section 2).
fn lease(input: &mut Input<'_>, question: u32) -> Vec<u8> {
    let mut named = || NAMED[usize::from(input.byte() % 8)];
    let (from, yours, router, mask, server) = (named(), named(), named(), named(), named());
    let mut message = vec![2, 1, 6, 0];
    message.extend(question.to_be_bytes());
    message.extend([0; 8]);
    message.extend(yours);
    message.extend([0; 8]);
    message.extend(SERVER.0);
    message.resize(236, 0);
    // Offers, acknowledgements and refusals.
    message.extend([99, 130, 83, 99, 53, 1, [2, 5, 5, 6][usize::from(input.byte() % 4)]]);
    message.extend([51, 4, 0, 0, 0, input.byte() % 64]);
    for (kind, address) in [(1, mask), (3, router), (54, server)] {
        message.extend([kind, 4]);
        message.extend(address);
    }
    message.push(255);
    let mut datagram = vec![0, 67, 0, 68, 0, 0, 0, 0];
    datagram.extend(message);
    framed_between(Ipv4Addr::from(from).into(), Ipv4Addr::BROADCAST.into(), IpProtocol::Udp, &mut datagram)
}

/// The number of what is asked of a DHCP server.
pub(super) fn question(frame: &[u8]) -> Option<u32> {
    let frame = EthernetFrame::new_checked(frame).ok().filter(|frame| frame.ethertype() == EthernetProtocol::Ipv4)?;
    let packet =
        Ipv4Packet::new_checked(frame.payload()).ok().filter(|packet| packet.next_header() == IpProtocol::Udp)?;
    let datagram = UdpPacket::new_checked(packet.payload()).ok().filter(|datagram| datagram.dst_port() == 67)?;
    datagram.payload().get(4..8)?.try_into().ok().map(u32::from_be_bytes)
}

/// Whether a frame may hold a segment of a connection: any packet of IPv6, whose headers may go on, and those of IPv4 with TCP.
pub(super) fn may_hold_a_segment(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([0x86, 0xdd]) => !matches!(frame.get(20), Some(1 | 17 | 58)),
        Some([8, 0]) => frame.get(23) == Some(&6),
        _ => false,
    }
}

fn framed(v6: bool, protocol: IpProtocol, payload: &mut [u8]) -> Vec<u8> {
    if v6 {
        framed_between(HERE_V6.into(), SERVER_V6.into(), protocol, payload)
    } else {
        framed_between(HERE_V4.into(), SERVER_V4.into(), protocol, payload)
    }
}

fn framed_between(from: IpAddr, to: IpAddr, protocol: IpProtocol, payload: &mut [u8]) -> Vec<u8> {
    let v6 = from.is_ipv6();
    let (from, to): (IpAddress, IpAddress) = (from.into(), to.into());
    let long = |least| payload.len() >= least;
    match protocol {
        IpProtocol::Tcp if long(20) => TcpPacket::new_unchecked(&mut *payload).fill_checksum(&from, &to),
        IpProtocol::Udp if long(8) => {
            let len = payload.len() as u16;
            let mut packet = UdpPacket::new_unchecked(&mut *payload);
            packet.set_len(len);
            packet.fill_checksum(&from, &to);
        }
        IpProtocol::Icmp if long(8) => Icmpv4Packet::new_unchecked(&mut *payload).fill_checksum(),
        IpProtocol::Icmpv6 if long(8) => {
            if let (IpAddress::Ipv6(from), IpAddress::Ipv6(to)) = (from, to) {
                Icmpv6Packet::new_unchecked(&mut *payload).fill_checksum(&from, &to);
            }
        }
        _ => {}
    }
    let ip = IpRepr::new(from, to, protocol, payload.len(), 255);
    let ethertype = if v6 { EthernetProtocol::Ipv6 } else { EthernetProtocol::Ipv4 };
    linked(ethertype, ip.header_len() + payload.len(), |packet| {
        ip.emit(&mut *packet, &ChecksumCapabilities::default());
        packet[ip.header_len()..].copy_from_slice(payload);
    })
}

fn linked(ethertype: EthernetProtocol, len: usize, write: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let link = EthernetRepr { src_addr: HERE, dst_addr: SERVER, ethertype };
    let mut frame = vec![0; link.buffer_len() + len];
    let mut packet = EthernetFrame::new_unchecked(&mut frame);
    link.emit(&mut packet);
    write(packet.payload_mut());
    frame
}

/// The answer to who asks for this end's hardware address.
pub(super) fn neighbour(frame: &[u8]) -> Option<Vec<u8>> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    match frame.ethertype() {
        EthernetProtocol::Arp => {
            let question = ArpRepr::parse(&ArpPacket::new_checked(frame.payload()).ok()?).ok()?;
            let ArpRepr::EthernetIpv4 { operation: ArpOperation::Request, target_protocol_addr: HERE_V4, .. } =
                question
            else {
                return None;
            };
            let answer = ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Reply,
                source_hardware_addr: HERE,
                source_protocol_addr: HERE_V4,
                target_hardware_addr: SERVER,
                target_protocol_addr: SERVER_V4,
            };
            Some(linked(EthernetProtocol::Arp, answer.buffer_len(), |out| {
                answer.emit(&mut ArpPacket::new_unchecked(out));
            }))
        }
        EthernetProtocol::Ipv6 => {
            let packet = Ipv6Packet::new_checked(frame.payload()).ok()?;
            let message = Icmpv6Packet::new_checked(packet.payload()).ok()?;
            let (from, to) = (packet.src_addr(), packet.dst_addr());
            let question = Icmpv6Repr::parse(&from, &to, &message, &ChecksumCapabilities::default()).ok()?;
            let Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit { target_addr: HERE_V6, .. }) = question else {
                return None;
            };
            let answer = Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
                flags: NdiscNeighborFlags::SOLICITED | NdiscNeighborFlags::OVERRIDE,
                target_addr: HERE_V6,
                lladdr: Some(RawHardwareAddress::from(HERE)),
            });
            let mut payload = vec![0; answer.buffer_len()];
            let mut out = Icmpv6Packet::new_unchecked(&mut payload);
            answer.emit(&HERE_V6, &SERVER_V6, &mut out, &ChecksumCapabilities::default());
            Some(framed(true, IpProtocol::Icmpv6, &mut payload))
        }
        _ => None,
    }
}
