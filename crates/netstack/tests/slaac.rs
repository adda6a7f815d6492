//! Addresses by SLAAC, in virtual time: routers are asked, their networks used, and left when what they said is over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::time::Duration;

use device::Ethernet;
use device::sim::{SimEthernet, SimRandom, WireTrouble};
use netstack::{Cidr, Config, Netstack};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv6Address,
    Ipv6Packet, Ipv6Repr, NdiscPrefixInfoFlags, NdiscPrefixInformation, NdiscRepr, NdiscRouterFlags,
    RawHardwareAddress,
};

const ROUTER: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const EVERYBODY: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const NETWORK: Ipv6Address = Ipv6Address::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, 0);
const ROUTERS_CARD: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);

/// By the card 02:00:00:00:00:01.
const LINK: &str = "fe80::ff:fe00:1/64";
const ADDRESS: &str = "2001:db8:0:7:0:ff:fe00:1/64";

fn cidrs(texts: &[&str]) -> Vec<Cidr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// What came to this end of the cable, of ICMP for IPv6: from whom, and what.
fn came(end: &mut SimEthernet) -> Vec<(Ipv6Address, String)> {
    let (mut all, mut out) = (Vec::new(), [0; 1514]);
    while let Some(len) = end.receive(&mut out).unwrap() {
        let frame = EthernetFrame::new_checked(&out[..len]).unwrap();
        let Ok(packet) = Ipv6Packet::new_checked(frame.payload()) else { continue };
        if frame.ethertype() == EthernetProtocol::Ipv6 && packet.next_header() == IpProtocol::Icmpv6 {
            let message = Icmpv6Packet::new_checked(packet.payload()).unwrap();
            all.push((packet.src_addr(), message.msg_type().to_string()));
        }
    }
    all
}

fn asks_routers(all: &[(Ipv6Address, String)]) -> usize {
    let link = LINK.split_once('/').unwrap().0.parse::<Ipv6Address>().unwrap();
    all.iter().filter(|(from, kind)| *from == link && kind.contains("router solicitation")).count()
}

/// A router's advertisement, from there and with that hop limit, of the network for so many seconds.
fn advertise(end: &mut SimEthernet, from: Ipv6Address, hop_limit: u8, seconds: u64) {
    advertise_prefix(end, from, hop_limit, seconds, (NETWORK, 64));
}

fn advertise_prefix(
    end: &mut SimEthernet,
    from: Ipv6Address,
    hop_limit: u8,
    seconds: u64,
    (prefix, prefix_len): (Ipv6Address, u8),
) {
    let lifetime = smoltcp::time::Duration::from_secs(seconds);
    let advertisement = Icmpv6Repr::Ndisc(NdiscRepr::RouterAdvert {
        hop_limit: 64,
        flags: NdiscRouterFlags::empty(),
        router_lifetime: lifetime,
        reachable_time: smoltcp::time::Duration::ZERO,
        retrans_time: smoltcp::time::Duration::ZERO,
        lladdr: Some(RawHardwareAddress::from(ROUTERS_CARD)),
        mtu: None,
        prefix_info: Some(NdiscPrefixInformation {
            prefix_len,
            flags: NdiscPrefixInfoFlags::ADDRCONF | NdiscPrefixInfoFlags::ON_LINK,
            valid_lifetime: lifetime,
            preferred_lifetime: lifetime,
            prefix,
        }),
    });
    let len = advertisement.buffer_len();
    let ip =
        Ipv6Repr { src_addr: from, dst_addr: EVERYBODY, next_header: IpProtocol::Icmpv6, payload_len: len, hop_limit };
    let link = EthernetRepr {
        src_addr: ROUTERS_CARD,
        dst_addr: EthernetAddress([0x33, 0x33, 0, 0, 0, 1]),
        ethertype: EthernetProtocol::Ipv6,
    };
    let mut frame = vec![0; link.buffer_len() + ip.buffer_len() + len];
    link.emit(&mut EthernetFrame::new_unchecked(&mut frame));
    let packet = &mut frame[link.buffer_len()..];
    ip.emit(&mut Ipv6Packet::new_unchecked(&mut *packet));
    let mut message = Icmpv6Packet::new_unchecked(&mut packet[ip.buffer_len()..]);
    advertisement.emit(&from, &EVERYBODY, &mut message, &ChecksumCapabilities::default());
    assert!(end.send(&frame).unwrap());
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn an_advertised_network_gives_an_address_until_it_is_over() {
    let (card, mut other) = SimEthernet::pair(WireTrouble::default());
    let (stack, driver) = Netstack::new(card, &SimRandom::new(1), Config::default().slaac()).unwrap();
    tokio::spawn(driver);
    assert_eq!(stack.addresses(), cidrs(&[LINK]));
    let waiting = tokio::spawn({
        let stack = stack.clone();
        async move { stack.addressed().await }
    });
    seconds(1).await;
    assert_eq!(asks_routers(&came(&mut other)), 1);
    assert!(!waiting.is_finished(), "an address of the link leads nowhere");
    // What did not begin on the link is no router's.
    advertise(&mut other, ROUTER, 64, 600);
    advertise(&mut other, NETWORK, 255, 600);
    seconds(2).await;
    assert_eq!(stack.addresses(), cidrs(&[LINK]));
    advertise(&mut other, ROUTER, 255, 600);
    seconds(2).await;
    assert_eq!(waiting.await.unwrap(), cidrs(&[LINK, ADDRESS]));
    let others = stack.addresses_other_than(&cidrs(&[LINK])).await;
    assert_eq!(others, cidrs(&[LINK, ADDRESS]));
    let gone = tokio::spawn({
        let stack = stack.clone();
        async move { stack.addresses_other_than(&others).await }
    });
    came(&mut other);
    // The router leads out.
    let far = tokio::spawn({
        let stack = stack.clone();
        async move { stack.connect("[2001:db8:ffff::1]:80".parse().unwrap()).await }
    });
    seconds(1).await;
    assert!(
        came(&mut other).iter().any(|(_, kind)| kind.contains("neighbor solicitation")),
        "nobody looks for the router"
    );
    far.abort();
    // Renewed, it stays.
    for _ in 0..10 {
        seconds(300).await;
        advertise(&mut other, ROUTER, 255, 600);
        assert_eq!(stack.addresses(), cidrs(&[LINK, ADDRESS]));
    }
    // And goes.
    assert!(!gone.is_finished());
    seconds(700).await;
    assert_eq!(gone.await.unwrap(), cidrs(&[LINK]));
    assert_eq!(stack.addresses(), cidrs(&[LINK]));
    let error = stack.connect("[2001:db8:ffff::1]:80".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NetworkUnreachable, "{error}");
}

/// A stack that spun would hold this test up for ever: virtual time passes only while everybody waits.
#[tokio::test(start_paused = true)]
async fn where_no_router_answers_three_are_asked_and_nothing_spins() {
    let (card, mut other) = SimEthernet::pair(WireTrouble::default());
    let (stack, driver) = Netstack::new(card, &SimRandom::new(1), Config::default().slaac()).unwrap();
    tokio::spawn(driver);
    seconds(3600).await;
    assert_eq!(asks_routers(&came(&mut other)), 3);
    // One that comes late is heard.
    advertise(&mut other, ROUTER, 255, 600);
    seconds(2).await;
    assert_eq!(stack.addresses(), cidrs(&[LINK, ADDRESS]));
}

/// Each would end a machine whose smoltcp takes it at its word.
#[tokio::test(start_paused = true)]
async fn what_is_no_network_of_hosts_gives_no_address() {
    let (card, mut other) = SimEthernet::pair(WireTrouble::default());
    let config = Config::default().slaac().address("fd00::9/64".parse().unwrap());
    let (stack, driver) = Netstack::new(card, &SimRandom::new(1), config).unwrap();
    let driver = tokio::spawn(driver);
    seconds(1).await;
    let of = |first| Ipv6Address::new(first, 0, 0, 0, 0, 0, 0, 0);
    let groups = [(of(0xff05), 64), (of(0xff05), 8), (of(0xff02), 129)];
    let link = [(of(0xfe80), 64), (of(0xfe81), 64), (of(0), 64)];
    let others = [(NETWORK, 129), (NETWORK, 255), (NETWORK, 128), (NETWORK, 63), (NETWORK, 0)];
    for prefix in groups.into_iter().chain(link).chain(others) {
        advertise_prefix(&mut other, ROUTER, 255, 600, prefix);
        seconds(2).await;
        assert!(!driver.is_finished(), "{prefix:?} ended the driver");
        assert_eq!(stack.addresses(), cidrs(&[LINK, "fd00::9/64"]), "{prefix:?}");
    }
    // The rest of what the router says is heard: it leads out.
    came(&mut other);
    tokio::spawn({
        let stack = stack.clone();
        async move { stack.connect("[2001:db8:ffff::1]:80".parse().unwrap()).await }
    });
    seconds(1).await;
    assert!(came(&mut other).iter().any(|(_, kind)| kind.contains("neighbor solicitation")), "nobody looks for it");
    advertise(&mut other, ROUTER, 255, 600);
    seconds(2).await;
    assert_eq!(stack.addresses(), cidrs(&[LINK, "fd00::9/64", ADDRESS]));
}
