//! Looks into frames as they come, before smoltcp does: who begins a connection, and which acknowledgements say nothing.

use std::net::SocketAddr;

use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket, TcpSeqNumber,
};

/// The ends of a connection: this machine's, and the other.
pub(crate) type Pair = (SocketAddr, SocketAddr);

/// What is to be known of a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) pair: Pair,
    /// It asks for a connection: SYN and nothing else.
    pub(crate) begins: bool,
    /// It acknowledges up to here, and carries nothing.
    pub(crate) acknowledges: Option<TcpSeqNumber>,
}

impl Segment {
    /// The segment in a frame; `None` where it holds none, or part of one.
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        match frame.ethertype() {
            EthernetProtocol::Ipv4 => {
                let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
                let whole = !packet.more_frags() && packet.frag_offset() == 0;
                if packet.next_header() != IpProtocol::Tcp || !whole {
                    return None;
                }
                Self::read(packet.src_addr().into(), packet.dst_addr().into(), packet.payload())
            }
            EthernetProtocol::Ipv6 => {
                let packet = Ipv6Packet::new_checked(frame.payload()).ok()?;
                if packet.next_header() != IpProtocol::Tcp {
                    return None;
                }
                Self::read(packet.src_addr().into(), packet.dst_addr().into(), packet.payload())
            }
            _ => None,
        }
    }

    fn read(from: IpAddress, to: IpAddress, tcp: &[u8]) -> Option<Self> {
        let tcp = TcpPacket::new_checked(tcp).ok()?;
        let pair = (SocketAddr::new(to.into(), tcp.dst_port()), SocketAddr::new(from.into(), tcp.src_port()));
        let begins = tcp.syn() && !tcp.ack() && !tcp.fin() && !tcp.rst();
        let bare = tcp.ack() && !tcp.syn() && !tcp.fin() && !tcp.rst() && tcp.payload().is_empty();
        Some(Self { pair, begins, acknowledges: bare.then(|| tcp.ack_number()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_segment_is_none() {
        for len in 0..64 {
            assert_eq!(Segment::of(&vec![0; len]), None);
            assert_eq!(Segment::of(&vec![0xff; len]), None);
        }
        // An IPv4 header that says TCP, cut at every place.
        let mut frame = vec![0; 12];
        frame.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x02, 0, 0, 0, 0, 0, 0]);
        for cut in 0..frame.len() {
            assert_eq!(Segment::of(&frame[..cut]), None, "{cut}");
        }
        let whole = Segment::of(&frame).unwrap();
        assert_eq!(whole.pair, ("10.0.0.2:80".parse().unwrap(), "10.0.0.1:4660".parse().unwrap()));
        assert!(whole.begins && whole.acknowledges.is_none());
        frame[47] = 0x10;
        let acknowledgement = Segment::of(&frame).unwrap();
        assert_eq!((acknowledgement.begins, acknowledgement.acknowledges), (false, Some(TcpSeqNumber(2))));
    }
}
