//! The cards of neighbours, asked for beside smoltcp.
//!
//! smoltcp 0.14 asks for one neighbour's card in a second, whosever it is, and forgets each after a minute. So many who begin connections at
//! once would wait for each other, and a flood in the names of neighbours who are not there would take the router's turn, without which
//! nobody beyond it has an answer. Here whoever begins a connection is asked for at once, or the router that leads there, and the router
//! again before smoltcp forgets it. smoltcp takes what they answer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, Icmpv6Packet,
    Icmpv6Repr, IpProtocol, Ipv6Packet, Ipv6Repr, NdiscRepr,
};
use tokio::time::Instant;

use super::Core;
use crate::segment::Pair;

/// How many are remembered, routers aside: as many as smoltcp has room for (`iface-neighbor-cache-count`).
const MOST: usize = 256;
/// How long one is not asked for again (RFC 1122 section 2.3.2.1, RFC 4861's RETRANS_TIMER).
const ASKED: Duration = Duration::from_secs(1);
/// How long an answer holds: half as long as smoltcp's.
const ANSWERED: Duration = Duration::from_secs(30);
/// The message that answers for IPv6 (RFC 4861 section 4.4), and where a frame has its type.
const ADVERTISEMENT: u8 = 136;
const TYPE: usize = 14 + 40;

/// Until when each neighbour is not asked for.
#[derive(Debug, Default)]
pub(super) struct Neighbours(HashMap<IpAddr, Instant>);

impl Neighbours {
    /// Whether this one is to be asked for.
    fn ask(&mut self, neighbour: IpAddr, is_router: bool, now: Instant) -> bool {
        if let Some(until) = self.0.get_mut(&neighbour) {
            let is_over = *until <= now;
            if is_over {
                *until = now + ASKED;
            }
            return is_over;
        }
        if self.0.len() >= MOST {
            self.0.retain(|_, until| *until > now);
        }
        let has_room = self.0.len() < MOST || is_router;
        if has_room {
            self.0.insert(neighbour, now + ASKED);
        }
        has_room
    }

    /// Takes note of an answer in a frame that came.
    pub(super) fn hear(&mut self, frame: &[u8], now: Instant) {
        if !self.0.is_empty()
            && let Some(until) = answers_for(frame).and_then(|neighbour| self.0.get_mut(&neighbour))
        {
            *until = now + ANSWERED;
        }
    }
}

/// Whose card a frame tells.
fn answers_for(frame: &[u8]) -> Option<IpAddr> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    match ethernet.ethertype() {
        EthernetProtocol::Arp => {
            let arp = ArpPacket::new_checked(ethernet.payload()).ok()?;
            let from: [u8; 4] = arp.source_protocol_addr().try_into().ok()?;
            Some(Ipv4Addr::from(from).into())
        }
        EthernetProtocol::Ipv6 if frame.get(TYPE) == Some(&ADVERTISEMENT) => {
            let packet = Ipv6Packet::new_checked(ethernet.payload()).ok()?;
            (packet.next_header() == IpProtocol::Icmpv6).then(|| packet.src_addr().into())
        }
        _ => None,
    }
}

impl Core {
    /// Asks for the cards that a connection needs which begins.
    pub(super) fn ask_for_neighbours(&mut self, pair: Pair, now: Instant) {
        let Pair(ours, theirs) = pair;
        let (ours, theirs) = (ours.ip(), theirs.ip());
        let router = match theirs {
            IpAddr::V4(_) => self.interface.routes().get_default_ipv4_route(),
            IpAddr::V6(_) => self.interface.routes().get_default_ipv6_route(),
        };
        let router = router.map(|route| IpAddr::from(route.via_router));
        let is_near = self.interface.ip_addrs().iter().any(|cidr| cidr.contains_addr(&theirs.into()));
        for (neighbour, is_router) in [(Some(theirs).filter(|_| is_near), false), (router, true)]
            .into_iter()
            .filter_map(|(neighbour, is_router)| Some((neighbour?, is_router)))
        {
            if !self.wire.is_blocked() && self.neighbours.ask(neighbour, is_router, now) {
                let question = match (ours, neighbour) {
                    (IpAddr::V4(ours), IpAddr::V4(neighbour)) => question4(self.wire.mac(), ours, neighbour),
                    (IpAddr::V6(ours), IpAddr::V6(neighbour)) => question6(self.wire.mac(), ours, neighbour),
                    _ => continue,
                };
                self.wire.send_other(question.into());
            }
        }
    }
}

/// A question for a neighbour's card by ARP (RFC 826).
fn question4(mac: [u8; 6], ours: Ipv4Addr, neighbour: Ipv4Addr) -> Vec<u8> {
    let arp = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: EthernetAddress(mac),
        source_protocol_addr: ours,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: neighbour,
    };
    framed(mac, EthernetAddress::BROADCAST, EthernetProtocol::Arp, arp.buffer_len(), |payload| {
        arp.emit(&mut ArpPacket::new_unchecked(payload));
    })
}

/// A question for a neighbour's card by neighbour discovery (RFC 4861 section 4.3).
fn question6(mac: [u8; 6], ours: Ipv6Addr, neighbour: Ipv6Addr) -> Vec<u8> {
    let [.., x, y, z] = neighbour.octets();
    let message = Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit {
        target_addr: neighbour,
        lladdr: Some(EthernetAddress(mac).into()),
    });
    let packet = Ipv6Repr {
        src_addr: ours,
        // Of all who have an address that ends so (RFC 4291 section 2.7.1).
        dst_addr: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(x), u16::from_be_bytes([y, z])),
        next_header: IpProtocol::Icmpv6,
        payload_len: message.buffer_len(),
        hop_limit: 255,
    };
    let to = EthernetAddress([0x33, 0x33, 0xff, x, y, z]);
    let len = packet.buffer_len() + message.buffer_len();
    framed(mac, to, EthernetProtocol::Ipv6, len, |payload| {
        let mut whole = Ipv6Packet::new_unchecked(payload);
        packet.emit(&mut whole);
        let mut inner = Icmpv6Packet::new_unchecked(whole.payload_mut());
        message.emit(&packet.src_addr, &packet.dst_addr, &mut inner, &ChecksumCapabilities::default());
    })
}

fn framed(
    mac: [u8; 6],
    to: EthernetAddress,
    ethertype: EthernetProtocol,
    len: usize,
    emit: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let header = EthernetRepr { src_addr: EthernetAddress(mac), dst_addr: to, ethertype };
    let mut bytes = vec![0; header.buffer_len() + len];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    header.emit(&mut frame);
    emit(frame.payload_mut());
    bytes
}
