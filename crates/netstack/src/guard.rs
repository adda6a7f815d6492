//! What smoltcp is not to see: frames that are nothing to a host, and what it takes at a neighbour's word where it must not.
//!
//! smoltcp 0.14 asserts that a prefix which a router advertises has at most 128 bits, and that each address it is to have or to send to is
//! a host's. A neighbour who says otherwise would end the machine.

use std::net::{Ipv4Addr, Ipv6Addr};

use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv6Packet};

/// Messages of neighbour discovery (RFC 4861 section 4), and where each has its checksum.
const ADVERTISEMENT: u8 = 134;
const REDIRECT: u8 = 137;
const CHECKSUM: usize = 2;
/// Where an advertisement's options begin; the type of the one with a prefix, and of none.
const OPTIONS: usize = 16;
const PREFIX: u8 = 3;
const NONE: u8 = 0;
/// The flag of a prefix that addresses follow from.
const AUTONOMOUS: u8 = 0x40;

/// Whether smoltcp may take this frame. Of an advertisement, what it must not take is made an option that it does not know.
pub(crate) fn admits(frame: &mut [u8]) -> bool {
    let Ok(mut frame) = EthernetFrame::new_checked(frame) else { return false };
    if !frame.src_addr().is_unicast() {
        return false;
    }
    match frame.ethertype() {
        EthernetProtocol::Ipv4 => Ipv4Packet::new_checked(&*frame.payload_mut()).is_ok_and(admits_ipv4),
        EthernetProtocol::Ipv6 => Ipv6Packet::new_checked(frame.payload_mut()).is_ok_and(admits_ipv6),
        EthernetProtocol::Arp => true,
        EthernetProtocol::Unknown(_) => false,
    }
}

/// Nobody is at 0.0.0.0 (RFC 1122 section 3.2.1.3): smoltcp would renew a lease there. Pieces of packets are not put together.
fn admits_ipv4(packet: Ipv4Packet<&[u8]>) -> bool {
    let is_whole = !packet.more_frags() && packet.frag_offset() == 0;
    is_whole && packet.verify_checksum() && is_a_hosts4(packet.src_addr())
}

/// No packet with hop-by-hop options, behind which a message of neighbour discovery or a segment could hide: this host has no use for any
/// (RFC 9673 section 5), and routers that forward them are few.
fn admits_ipv6(mut packet: Ipv6Packet<&mut [u8]>) -> bool {
    let protocol = packet.next_header();
    if protocol == IpProtocol::HopByHop || !is_a_hosts6(packet.src_addr()) {
        return false;
    }
    match packet.payload_mut() {
        message @ [ADVERTISEMENT, ..] if protocol == IpProtocol::Icmpv6 => blank_prefixes(message).is_some(),
        // smoltcp follows none.
        [REDIRECT, ..] if protocol == IpProtocol::Icmpv6 => false,
        _ => true,
    }
}

/// Takes the prefixes out of an advertisement that no address may follow from, and only those, which are to be ignored (RFC 4862 section
/// 5.5.3). `None` where its options are none (RFC 4861 section 4.6).
fn blank_prefixes(message: &mut [u8]) -> Option<()> {
    let mut at = OPTIONS;
    message.get(at..)?;
    while at < message.len() {
        let len = usize::from(*message.get(at + 1)?) * 8;
        let option = message.get_mut(at..at + len).filter(|option| !option.is_empty())?;
        if option[0] == PREFIX && !gives_addresses(option) {
            option[0] = NONE;
            // The sum of 16-bit words is less by this, and the checksum is its complement (RFC 1624).
            let checksum = message.get_mut(CHECKSUM..)?.first_chunk_mut()?;
            let (sum, carry) = u16::from_be_bytes(*checksum).overflowing_add(u16::from_be_bytes([PREFIX - NONE, 0]));
            *checksum = (sum + u16::from(carry)).to_be_bytes();
        }
        at += len;
    }
    Some(())
}

/// Whether addresses follow from the prefix in this option: 64 bits, beyond the link, and not of groups nor of what is reserved.
fn gives_addresses(option: &[u8]) -> bool {
    let [_, _, bits, flags, rest @ ..] = option else { return false };
    let Some(prefix) = rest.get(12..28).and_then(|prefix| <[u8; 16]>::try_from(prefix).ok()).map(Ipv6Addr::from) else {
        return false;
    };
    let is_reserved = prefix.segments()[..4] == [0; 4];
    rest.len() == 28
        && *bits == 64
        && flags & AUTONOMOUS != 0
        && !(prefix.is_multicast() || prefix.is_unicast_link_local() || is_reserved)
}

/// Whether a host may have this address, as far as can be told without its network.
pub(crate) fn is_a_hosts4(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || address.is_multicast())
}

/// The same in a network of addresses that begin with so many bits as this one does: not the first of them, nor the last, which is of all
/// hosts (RFC 1122 section 3.2.1.3), except where there are but two, or one (RFC 3021).
pub(crate) fn is_a_hosts4_in(address: Ipv4Addr, bits: u8) -> bool {
    let hosts = u32::MAX.checked_shr(bits.into()).unwrap_or_default();
    let host = address.to_bits() & hosts;
    is_a_hosts4(address) && (bits >= 31 || host != 0 && host != hosts)
}

/// The same of IPv6, which has no broadcast.
pub(crate) fn is_a_hosts6(address: Ipv6Addr) -> bool {
    !(address.is_unspecified() || address.is_multicast())
}
