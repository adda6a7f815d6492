//! A stack answers who asks whether it is there. The other end of the cable is this test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::time::Duration;

use device::Ethernet;
use device::sim::{SimEthernet, SimRandom, WireTrouble};
use netstack::{Config, Netstack};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, Icmpv4Packet,
    Icmpv4Repr, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr,
};

const SERVER: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
const ASKING: Ipv4Address = Ipv4Address::new(10, 0, 0, 2);

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_with_what_it_held() {
    let (card, mut wire) = SimEthernet::pair(WireTrouble::default());
    let (here, me) = (EthernetAddress(card.mac()), EthernetAddress(wire.mac()));
    let config = Config::default().address("10.0.0.1/24".parse().unwrap());
    let (_stack, driver) = Netstack::new(card, &SimRandom::new(1), config).unwrap();
    tokio::spawn(driver);

    let frame = |ethertype, payload: &[u8]| {
        let header = EthernetRepr { src_addr: me, dst_addr: here, ethertype };
        let mut frame = vec![0; header.buffer_len() + payload.len()];
        header.emit(&mut EthernetFrame::new_unchecked(&mut frame));
        frame[header.buffer_len()..].copy_from_slice(payload);
        frame
    };
    let arp = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: me,
        source_protocol_addr: ASKING,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: SERVER,
    };
    let mut neighbour = vec![0; arp.buffer_len()];
    arp.emit(&mut ArpPacket::new_unchecked(&mut neighbour));
    let sums = ChecksumCapabilities::default();
    let ping = Icmpv4Repr::EchoRequest { ident: 9, seq_no: 4, data: b"are you there?" };
    let ip = Ipv4Repr {
        src_addr: ASKING,
        dst_addr: SERVER,
        next_header: IpProtocol::Icmp,
        payload_len: ping.buffer_len(),
        hop_limit: 64,
    };
    let mut packet = vec![0; ip.buffer_len() + ping.buffer_len()];
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut packet), &sums);
    ping.emit(&mut Icmpv4Packet::new_unchecked(&mut packet[ip.buffer_len()..]), &sums);
    assert!(wire.send(&frame(EthernetProtocol::Arp, &neighbour)).unwrap());
    assert!(wire.send(&frame(EthernetProtocol::Ipv4, &packet)).unwrap());
    tokio::time::sleep(Duration::from_millis(100)).await;

    let mut answers = Vec::new();
    let mut buffer = vec![0; wire.mtu()];
    while let Some(len) = wire.receive(&mut buffer).unwrap() {
        let frame = EthernetFrame::new_checked(&buffer[..len]).unwrap();
        if frame.ethertype() == EthernetProtocol::Ipv4 {
            let packet = Ipv4Packet::new_checked(frame.payload()).unwrap();
            assert_eq!((packet.src_addr(), packet.dst_addr()), (SERVER, ASKING));
            let said = Icmpv4Packet::new_checked(packet.payload()).unwrap();
            let said = Icmpv4Repr::parse(&said, &sums).unwrap();
            answers.push(said == Icmpv4Repr::EchoReply { ident: 9, seq_no: 4, data: b"are you there?" });
        }
    }
    assert_eq!(answers, [true]);
}
