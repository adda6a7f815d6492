//! An address by DHCP, in virtual time: asked for, renewed, and gone when its lease is over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use device::Ethernet;
use device::sim::{SimEthernet, SimRandom, WireTrouble};
use netstack::{Cidr, Config, Netstack};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr,
    Icmpv6Packet, IpProtocol, Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr, UdpPacket, UdpRepr,
};

const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const CARD: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);

/// What a server says: from where, and which address, in which network, and which router it gives.
#[derive(Clone, Copy, Debug)]
struct Said {
    from: Ipv4Addr,
    yours: Ipv4Addr,
    mask: Ipv4Addr,
    router: Ipv4Addr,
}

const SOUND: Said = Said { from: ROUTER, yours: HERE, mask: Ipv4Addr::new(255, 255, 255, 0), router: ROUTER };

/// Answers what is asked of a server by what waits at this end of the cable; gives the kinds of questions.
fn answer(end: &mut SimEthernet) -> Vec<DhcpMessageType> {
    answer_with(end, SOUND)
}

fn answer_with(end: &mut SimEthernet, said: Said) -> Vec<DhcpMessageType> {
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
            your_ip: said.yours,
            server_ip: ROUTER,
            router: Some(said.router),
            subnet_mask: Some(said.mask),
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
        assert!(end.send(&framed(said.from, &reply)).unwrap());
    }
    asked
}

fn framed(from: Ipv4Addr, reply: &DhcpRepr<'_>) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let udp = UdpRepr { src_port: 67, dst_port: 68 };
    let payload_len = udp.header_len() + reply.buffer_len();
    let ip = Ipv4Repr { src_addr: from, dst_addr: HERE, next_header: IpProtocol::Udp, payload_len, hop_limit: 64 };
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
    udp.emit(&mut datagram, &from.into(), &HERE.into(), reply.buffer_len(), write, &checksums);
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

/// Hears a server for a lease's time, and asks for the way to another network. What the addresses were after some seconds; the stack lives
/// to be told by a sound server.
async fn told(said: Said) -> Vec<Cidr> {
    let (card, mut other) = SimEthernet::pair(WireTrouble::default());
    let (stack, driver) = Netstack::new(card, &SimRandom::new(1), Config::default().dhcp()).unwrap();
    let driver = tokio::spawn(driver);
    let mut addresses = Vec::new();
    for at in 0..700 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        answer_with(&mut other, said);
        if at == 30 {
            addresses = stack.addresses();
            let far = "192.0.2.7:80".parse().unwrap();
            tokio::spawn({
                let stack = stack.clone();
                async move { stack.connect(far).await.map(drop) }
            });
        }
    }
    for _ in 0..700 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        answer(&mut other);
    }
    assert!(!driver.is_finished(), "{said:?} ended the driver");
    assert_eq!(stack.addresses(), ["10.0.0.9/24".parse().unwrap()], "{said:?}");
    addresses
}

#[tokio::test(start_paused = true)]
async fn what_no_host_may_have_is_not_taken() {
    let of = |text: &str| text.parse::<Ipv4Addr>().unwrap();
    for text in ["0.0.0.0", "255.255.255.255", "224.0.0.1"] {
        let address = told(Said { router: of(text), ..SOUND }).await;
        assert_eq!(address, ["10.0.0.9/24".parse().unwrap()], "without the router");
        assert_eq!(told(Said { yours: of(text), ..SOUND }).await, []);
        assert_eq!(told(Said { from: of(text), ..SOUND }).await, [], "a server without an address");
    }
    for text in ["10.0.0.0", "10.0.0.255"] {
        assert_eq!(told(Said { yours: of(text), ..SOUND }).await, []);
    }
    for mask in ["0.0.0.0", "255.255.255.255", "255.255.255.254"] {
        assert_eq!(told(Said { mask: of(mask), ..SOUND }).await.len(), 1, "{mask}");
    }
}

/// A router of IPv6 says that it is there, and nothing of networks.
fn advertise(end: &mut SimEthernet, number: u16) {
    let (router, everybody) =
        (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
    let mut message = vec![134, 0, 0, 0, 64, 0, 7, 8];
    message.extend([0; 8]);
    Icmpv6Packet::new_unchecked(&mut message).fill_checksum(&router, &everybody);
    let ip = Ipv6Repr {
        src_addr: router,
        dst_addr: everybody,
        next_header: IpProtocol::Icmpv6,
        payload_len: message.len(),
        hop_limit: 255,
    };
    let link = EthernetRepr {
        src_addr: EthernetAddress([2, 0, 0, 0, 0, 2]),
        dst_addr: EthernetAddress([0x33, 0x33, 0, 0, 0, 1]),
        ethertype: EthernetProtocol::Ipv6,
    };
    let mut frame = vec![0; link.buffer_len() + ip.buffer_len()];
    link.emit(&mut EthernetFrame::new_unchecked(&mut frame));
    ip.emit(&mut Ipv6Packet::new_unchecked(&mut frame[link.buffer_len()..]));
    frame.extend(message);
    assert!(end.send(&frame).unwrap());
}

/// Each takes a place among the routes, of which there are few.
#[tokio::test(start_paused = true)]
async fn however_many_routers_of_ipv6_there_are_the_one_of_ipv4_leads_out() {
    for routers in [2, 20] {
        let (card, mut other) = SimEthernet::pair(WireTrouble::default());
        let (stack, driver) = Netstack::new(card, &SimRandom::new(1), Config::default().dhcp().slaac()).unwrap();
        tokio::spawn(driver);
        (1..=routers).for_each(|number| advertise(&mut other, number));
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            answer(&mut other);
        }
        tokio::spawn(async move { stack.connect("192.0.2.7:80".parse().unwrap()).await.map(drop) });
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (mut out, mut asked) = ([0; 1514], false);
        while let Some(len) = other.receive(&mut out).unwrap() {
            let frame = EthernetFrame::new_checked(&out[..len]).unwrap();
            let is_for_it = frame.payload().get(24..28) == Some(&ROUTER.octets());
            asked |= frame.ethertype() == EthernetProtocol::Arp && is_for_it;
        }
        assert!(asked, "beside {routers} routers nobody looks for the one of IPv4");
    }
}
