//! Looks into frames as they come and go: who begins a connection, what is sent and what is acknowledged.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpAddress, IpProtocol, IpRepr, Ipv4Packet,
    Ipv6Packet, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};

/// The hop limit of a frame that goes nowhere.
const HOPS: u8 = 64;
/// Where a segment has its flags, and the one of an end (RFC 9293 section 3.1).
const FLAGS: usize = 13;
const FIN: u8 = 1;

/// The ends of a connection: this machine's, and the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair(pub(crate) SocketAddr, pub(crate) SocketAddr);

impl Pair {
    /// As the other end has it.
    pub(crate) fn turned(self) -> Self {
        Self(self.1, self.0)
    }
}

/// By addresses and ports in one go: a hash is made several times a segment, and costs by the number of pieces.
impl Hash for Pair {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ports = u32::from(self.0.port()) << 16 | u32::from(self.1.port());
        match (self.0.ip(), self.1.ip()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let addresses = u64::from(u32::from(ours)) << 32 | u64::from(u32::from(theirs));
                state.write_u128(u128::from(addresses) << 32 | u128::from(ports));
            }
            (ours, theirs) => {
                let mut bytes = [0; 36];
                for (half, ip) in bytes.chunks_exact_mut(16).zip([ours, theirs]) {
                    half.copy_from_slice(&wide(ip));
                }
                bytes[32..].copy_from_slice(&ports.to_le_bytes());
                state.write(&bytes);
            }
        }
    }
}

fn wide(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Sequence numbers that came out of their turn: the first, and the one after the last.
pub(crate) type Block = (TcpSeqNumber, TcpSeqNumber);

/// What is to be known of a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) pair: Pair,
    /// It asks for a connection: SYN and nothing else.
    pub(crate) begins: bool,
    /// It acknowledges, and carries nothing.
    pub(crate) is_bare: bool,
    /// Its sender has nothing more: FIN.
    pub(crate) ends: bool,
    pub(crate) sequence: TcpSeqNumber,
    /// Sequence numbers that it takes: its bytes, and one for each of SYN and FIN.
    pub(crate) len: usize,
    pub(crate) acknowledgement: Option<Acknowledgement>,
    /// The last end of what its sender has received out of turn (RFC 2018).
    pub(crate) arrived: Option<TcpSeqNumber>,
    /// The first block of that, which has what came last.
    pub(crate) block: Option<Block>,
}

/// What an end has received in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledgement {
    /// Who says so.
    pub(crate) from: EthernetAddress,
    /// What it sends next.
    pub(crate) sequence: TcpSeqNumber,
    pub(crate) number: TcpSeqNumber,
    /// Its window, as it is in the segment.
    pub(crate) window: u16,
}

/// A packet of TCP that is damaged or makes no sense: nothing that it says is heeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsound;

impl Segment {
    /// The segment in a frame that came; `None` where it holds none. What is refused here, smoltcp refuses by the same rules, but for the
    /// checksums, which it leaves to this (`Wire::capabilities`).
    pub(crate) fn of(frame: &[u8]) -> Result<Option<Self>, Unsound> {
        Self::read(frame, &ChecksumCapabilities::default())
    }

    /// The segment in a frame that goes out.
    pub(crate) fn sent(frame: &[u8]) -> Option<Self> {
        let segment = Self::read(frame, &ChecksumCapabilities::ignored()).ok().flatten()?;
        Some(Self { pair: segment.pair.turned(), ..segment })
    }

    fn read(frame: &[u8], checksums: &ChecksumCapabilities) -> Result<Option<Self>, Unsound> {
        let frame = EthernetFrame::new_checked(frame).map_err(|_| Unsound)?;
        let (protocol, from, to, payload): (_, IpAddress, IpAddress, _) = match frame.ethertype() {
            EthernetProtocol::Ipv4 => {
                let packet = Ipv4Packet::new_checked(frame.payload()).map_err(|_| Unsound)?;
                (packet.next_header(), packet.src_addr().into(), packet.dst_addr().into(), packet.payload())
            }
            EthernetProtocol::Ipv6 => {
                let packet = Ipv6Packet::new_checked(frame.payload()).map_err(|_| Unsound)?;
                (packet.next_header(), packet.src_addr().into(), packet.dst_addr().into(), packet.payload())
            }
            _ => return Ok(None),
        };
        if protocol != IpProtocol::Tcp {
            return Ok(None);
        }
        let tcp = TcpPacket::new_checked(payload)
            .and_then(|packet| TcpRepr::parse(&packet, &from, &to, checksums))
            .map_err(|_| Unsound)?;
        Ok(Some(Self::with(&tcp, frame.src_addr(), from, to)))
    }

    fn with(tcp: &TcpRepr<'_>, by: EthernetAddress, from: IpAddress, to: IpAddress) -> Self {
        let pair = Pair(SocketAddr::new(to.into(), tcp.dst_port), SocketAddr::new(from.into(), tcp.src_port));
        let (sequence, len) = (tcp.seq_number, tcp.segment_len());
        let acknowledgement = tcp.ack_number.filter(|_| tcp.control != TcpControl::Rst).map(|number| Acknowledgement {
            from: by,
            sequence: sequence + len,
            number,
            window: tcp.window_len,
        });
        let number = |number: u32| TcpSeqNumber(number.cast_signed());
        Self {
            pair,
            begins: tcp.control == TcpControl::Syn && tcp.ack_number.is_none(),
            is_bare: acknowledgement.is_some() && len == 0,
            ends: tcp.control == TcpControl::Fin,
            sequence,
            len,
            acknowledgement,
            arrived: tcp.sack_ranges.iter().flatten().map(|(_, end)| number(*end)).reduce(later),
            block: tcp.sack_ranges[0].map(|(first, end)| (number(first), number(end))),
        }
    }
}

/// The end of a segment with bytes, in a frame of its own; `frame` is left with the bytes.
///
/// smoltcp 0.14 takes what is beyond its window off a segment, and an end that follows for one that follows what is left
/// (`socket/tcp.rs`, `process`): a byte would be missing in the middle.
pub(crate) fn split_end(frame: &mut [u8], segment: &Segment, to: [u8; 6]) -> Option<Vec<u8>> {
    let said = segment.acknowledgement.filter(|_| segment.ends && segment.len > 1)?;
    let mut ethernet = EthernetFrame::new_unchecked(frame);
    let packet = ethernet.payload_mut();
    let header = match segment.pair.0 {
        SocketAddr::V4(_) => usize::from(Ipv4Packet::new_checked(&*packet).ok()?.header_len()),
        SocketAddr::V6(_) => Ipv6Packet::new_checked(&*packet).ok()?.header_len(),
    };
    let flags = packet.get_mut(header + FLAGS)?;
    *flags &= !FIN;
    let end = Acknowledgement { sequence: segment.sequence + (segment.len - 1), ..said };
    Some(end.segment(TcpControl::Fin, &[], to, segment.pair))
}

fn later(one: TcpSeqNumber, other: TcpSeqNumber) -> TcpSeqNumber {
    if one < other { other } else { one }
}

impl Acknowledgement {
    /// A frame that says this, with the first three of these blocks, and nothing else to the card `to`, of the connection `pair`.
    pub(crate) fn frame(&self, blocks: &[Block], to: [u8; 6], pair: Pair) -> Vec<u8> {
        self.segment(TcpControl::None, blocks, to, pair)
    }

    fn segment(&self, control: TcpControl, blocks: &[Block], to: [u8; 6], pair: Pair) -> Vec<u8> {
        let Pair(ours, theirs) = pair;
        let mut sack_ranges = [None; 3];
        for (range, (first, end)) in sack_ranges.iter_mut().zip(blocks) {
            *range = Some((first.0.cast_unsigned(), end.0.cast_unsigned()));
        }
        let tcp = TcpRepr {
            src_port: theirs.port(),
            dst_port: ours.port(),
            control,
            seq_number: self.sequence,
            ack_number: Some(self.number),
            window_len: self.window,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges,
            timestamp: None,
            payload: &[],
        };
        let (src, dst) = (theirs.ip().into(), ours.ip().into());
        let ip = IpRepr::new(src, dst, IpProtocol::Tcp, tcp.buffer_len(), HOPS);
        let ethernet = EthernetRepr {
            src_addr: self.from,
            dst_addr: EthernetAddress(to),
            ethertype: if ours.is_ipv4() { EthernetProtocol::Ipv4 } else { EthernetProtocol::Ipv6 },
        };
        let mut frame = vec![0; ethernet.buffer_len() + ip.header_len() + tcp.buffer_len()];
        let mut packet = EthernetFrame::new_unchecked(&mut frame);
        ethernet.emit(&mut packet);
        let checksums = ChecksumCapabilities::default();
        ip.emit(packet.payload_mut(), &checksums);
        if let Some(segment) = packet.payload_mut().get_mut(ip.header_len()..) {
            tcp.emit(&mut TcpPacket::new_unchecked(segment), &src, &dst, &checksums);
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_segment_is_none() {
        for len in 0..14 {
            assert_eq!(Segment::of(&vec![0; len]), Err(Unsound), "{len}");
        }
        for len in 14..64 {
            assert_eq!(Segment::of(&vec![0; len]), Ok(None), "{len}");
        }
    }

    /// One bit that is turned is told by one of both checksums, or makes it a segment of nobody.
    #[test]
    fn what_is_damaged_is_no_segment() {
        for pair in [("10.0.0.2:80", "10.0.0.1:4660"), ("[fd00::2]:80", "[fd00::1]:4660")] {
            let pair = Pair(pair.0.parse().unwrap(), pair.1.parse().unwrap());
            let said = Acknowledgement {
                from: EthernetAddress([2, 0, 0, 0, 0, 1]),
                sequence: TcpSeqNumber(7),
                number: TcpSeqNumber(9),
                window: 1000,
            };
            let mut frame = said.frame(&[], [2, 0, 0, 0, 0, 2], pair);
            assert_eq!(Segment::of(&frame).unwrap().unwrap().acknowledgement, Some(said));
            for cut in 0..frame.len() {
                assert!(!matches!(Segment::of(&frame[..cut]), Ok(Some(_))), "{cut}");
            }
            let tcp = if pair.0.is_ipv4() { 34 } else { 54 };
            for bit in tcp * 8..frame.len() * 8 {
                frame[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Segment::of(&frame), Err(Unsound), "{bit}");
                frame[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn an_acknowledgement_is_read_as_it_is_written() {
        for pair in [("10.0.0.2:80", "10.0.0.1:4660"), ("[fd00::2]:80", "[fd00::1]:4660")] {
            let pair = Pair(pair.0.parse().unwrap(), pair.1.parse().unwrap());
            let acknowledgement = Acknowledgement {
                from: EthernetAddress([2, 0, 0, 0, 0, 1]),
                sequence: TcpSeqNumber(-3),
                number: TcpSeqNumber(i32::MAX),
                window: 0x1234,
            };
            let block = |first, end| (TcpSeqNumber(first), TcpSeqNumber(end));
            for (blocks, arrived) in
                [(&[][..], None), (&[block(5, 9)], Some(9)), (&[block(5, 9), block(11, 20), block(-9, 3)], Some(20))]
            {
                let frame = acknowledgement.frame(blocks, [2, 0, 0, 0, 0, 2], pair);
                let read = Segment::of(&frame).unwrap().unwrap();
                assert_eq!((read.pair, read.is_bare, read.block), (pair, true, blocks.first().copied()));
                assert_eq!(read.arrived, arrived.map(TcpSeqNumber));
                assert_eq!(read.acknowledgement, Some(acknowledgement));
                assert_eq!(Segment::sent(&frame).unwrap(), Segment { pair: pair.turned(), ..read });
            }
        }
    }
}
