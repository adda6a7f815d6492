//! An address by DHCP, in virtual time: asked for, renewed, and gone when its lease is over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::net::Ipv4Addr;
use std::time::Duration;

use device::Ethernet;
use device::sim::{SimEthernet, SimRandom, WireTrouble};
use netstack::{Config, Netstack};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol,
    Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr,
};

const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const CARD: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);

/// Answers what is asked of a server by what waits at this end of the cable; gives the kinds of questions.
fn answer(end: &mut SimEthernet) -> Vec<DhcpMessageType> {
    let mut asked = Vec::new();
    let mut out = [0; 1514];
    while let Some(len) = end.receive(&mut out).unwrap() {
        let frame = EthernetFrame::new_checked(&out[..len]).unwrap();
        if frame.ethertype() != EthernetProtocol::Ipv4 {
            continue;
        }
        let packet = Ipv4Packet::new_checked(frame.payload()).unwrap();
        if packet.next_header() != IpProtocol::Udp {
            continue;
        }
        let datagram = UdpPacket::new_checked(packet.payload()).unwrap();
        let question = DhcpPacket::new_checked(datagram.payload()).unwrap();
        let question = DhcpRepr::parse(&question).unwrap();
        asked.push(question.message_type);
        let message_type = match question.message_type {
            DhcpMessageType::Discover => DhcpMessageType::Offer,
            DhcpMessageType::Request => DhcpMessageType::Ack,
            _ => continue,
        };
        let reply = DhcpRepr {
            message_type,
            transaction_id: question.transaction_id,
            secs: 0,
            client_hardware_address: CARD,
            client_ip: Ipv4Addr::UNSPECIFIED,
            your_ip: HERE,
            server_ip: ROUTER,
            router: Some(ROUTER),
            subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            broadcast: false,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(ROUTER),
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration: Some(600),
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        assert!(end.send(&framed(&reply)).unwrap());
    }
    asked
}

fn framed(reply: &DhcpRepr<'_>) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let udp = UdpRepr { src_port: 67, dst_port: 68 };
    let payload_len = udp.header_len() + reply.buffer_len();
    let ip = Ipv4Repr { src_addr: ROUTER, dst_addr: HERE, next_header: IpProtocol::Udp, payload_len, hop_limit: 64 };
    let link = EthernetRepr {
        src_addr: EthernetAddress([2, 0, 0, 0, 0, 2]),
        dst_addr: CARD,
        ethertype: EthernetProtocol::Ipv4,
    };
    let mut frame = vec![0; link.buffer_len() + ip.buffer_len() + payload_len];
    link.emit(&mut EthernetFrame::new_unchecked(&mut frame));
    let packet = &mut frame[link.buffer_len()..];
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut *packet), &checksums);
    let mut datagram = UdpPacket::new_unchecked(&mut packet[ip.buffer_len()..]);
    let write = |out: &mut [u8]| reply.emit(&mut DhcpPacket::new_unchecked(out)).unwrap();
    udp.emit(&mut datagram, &ROUTER.into(), &HERE.into(), reply.buffer_len(), write, &checksums);
    frame
}

#[tokio::test(start_paused = true)]
async fn an_address_is_leased_renewed_and_lost() {
    let (card, mut other) = SimEthernet::pair(WireTrouble::default());
    let (stack, driver) = Netstack::new(card, &SimRandom::new(1), Config::default().dhcp()).unwrap();
    tokio::spawn(driver);
    let waiting = tokio::spawn({
        let stack = stack.clone();
        async move { stack.addressed().await }
    });
    let mut asked = Vec::new();
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        asked.extend(answer(&mut other));
    }
    assert_eq!(asked, [DhcpMessageType::Discover, DhcpMessageType::Request]);
    let leased = ["10.0.0.9/24".parse().unwrap()];
    assert_eq!(waiting.await.unwrap(), leased);
    // Renewed for three leases.
    asked.clear();
    for _ in 0..1800 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        asked.extend(answer(&mut other));
        assert_eq!(stack.addresses(), leased);
    }
    assert!(asked.len() >= 3 && asked.iter().all(|kind| *kind == DhcpMessageType::Request), "{asked:?}");
    // And gone once nobody renews it.
    other.cut(true);
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert_eq!(stack.addresses(), []);
    other.cut(false);
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        answer(&mut other);
    }
    assert_eq!(stack.addresses(), leased);
}
