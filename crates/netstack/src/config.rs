//! What a stack is told of its network, and how much of it a stranger may use.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use crate::guard;

/// An address and the length of its network's prefix, as `10.0.0.2/24` or `fd00::2/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
}

/// Not an address with a prefix, or not one that a host may have in its network: one of all hosts, of a group, or of nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address with its network is like 10.0.0.2/24 or fd00::2/64, and one host's")]
pub struct CidrError;

impl Cidr {
    /// The address itself.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = text.split_once('/').ok_or(CidrError)?;
        let address: IpAddr = address.parse().map_err(|_| CidrError)?;
        let prefix = prefix.parse().map_err(|_| CidrError)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let is_a_hosts = prefix <= longest
            && match address {
                IpAddr::V4(address) => guard::is_a_hosts4_in(address, prefix),
                IpAddr::V6(address) => guard::is_a_hosts6(address),
            };
        if is_a_hosts { Ok(Self { address, prefix }) } else { Err(CidrError) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// How a stack is set up. The default has no address.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub(crate) addresses: Vec<Cidr>,
    pub(crate) dhcp: bool,
    pub(crate) slaac: bool,
    pub(crate) gateway4: Option<Ipv4Addr>,
    pub(crate) gateway6: Option<Ipv6Addr>,
    pub(crate) limits: Limits,
}

impl Config {
    /// How many addresses there may be. smoltcp has room for one of DHCP, one of the link and two of SLAAC beside them.
    pub const MOST_ADDRESSES: usize = 4;

    /// With an address; of more than [`Config::MOST_ADDRESSES`] the rest is left out.
    #[must_use]
    pub fn address(mut self, address: Cidr) -> Self {
        if self.addresses.len() < Self::MOST_ADDRESSES {
            self.addresses.push(address);
        }
        self
    }

    /// With an IPv4 address and a router from a DHCP server (RFC 2131), beside the addresses given; its router takes
    /// the place of a gateway given. There is none until the server answers,
    /// and none again when its lease is over and nobody renews it.
    #[must_use]
    pub fn dhcp(mut self) -> Self {
        self.dhcp = true;
        self
    }

    /// With addresses of IPv6 that follow from the card's own address (RFC 4862): one of the link, and one in each of the first two
    /// networks of 64 bits that routers advertise, with these routers, beside what is given here. They go when what was advertised is over.
    /// Nobody is asked whether he has one of them already.
    #[must_use]
    pub fn slaac(mut self) -> Self {
        self.slaac = true;
        self
    }

    /// With the router that leads to other networks. An address that is no host's, but of all, of a group or of nobody, is left out.
    #[must_use]
    pub fn gateway(mut self, gateway: IpAddr) -> Self {
        match gateway {
            IpAddr::V4(gateway) => self.gateway4 = Some(gateway).filter(|gateway| guard::is_a_hosts4(*gateway)),
            IpAddr::V6(gateway) => self.gateway6 = Some(gateway).filter(|gateway| guard::is_a_hosts6(*gateway)),
        }
        self
    }

    /// With other limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// How much of the stack strangers may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sockets in all: each is [`Limits::receive`] and [`Limits::send`] bytes of memory. A connection that would be one too many is not
    /// answered, so that its client tries again. Where there are several listeners, a sixteenth of them, and eight at most, is kept for each
    /// that has fewer: the crowd at one keeps nobody from another.
    pub sockets: usize,
    /// Connections that have begun and are not complete. One more takes the place of the oldest, if that has had its time (two seconds, or
    /// a fifth of one in a flood), and else is not answered, so that its client tries again: a flood of beginnings is pushed out, and
    /// honest clients who come all at once are not.
    pub half_open: usize,
    /// Complete connections of a listener that wait to be accepted; more are not answered.
    pub backlog: usize,
    /// Bytes of a flow that are received ahead. So much, and of [`Limits::send`], is under way at once: over 50 ms there and back, 64 KiB are
    /// 10 Mbit a second.
    pub receive: usize,
    /// Bytes of a flow that are written ahead, and kept until they are acknowledged.
    pub send: usize,
    /// How long a peer that answers nothing is waited for.
    pub silence: Duration,
    /// After how long a peer of whom nothing is heard is asked whether it is there (RFC 9293 section 3.8.4). One that does not answer is
    /// given up [`Limits::silence`] after it was last heard.
    pub keep_alive: Duration,
    /// How long a flow that its user has left may take to send what it has, and to hear that the other end is done, too. Where its place is
    /// wanted it has two seconds, or none once the other end has all of it.
    pub leaving: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sockets: 2048,
            half_open: 512,
            backlog: 1024,
            receive: 64 * 1024,
            send: 64 * 1024,
            silence: Duration::from_secs(120),
            keep_alive: Duration::from_secs(30),
            leaving: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for text in
            ["10.0.0.2/24", "fd00::2/64", "192.0.2.1/32", "::1/128", "10.0.0.0/31", "10.0.0.255/31", "10.0.0.255/16"]
        {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        for text in ["", "10.0.0.2", "10.0.0.2/33", "10.0.0.2/-1", "fd00::/129", "a/8", "10.0.0/8"] {
            assert_eq!(text.parse::<Cidr>(), Err(CidrError), "{text}");
        }
        // Of nobody, of a group, of all hosts of a network, and of the network itself.
        for text in
            ["0.0.0.0/0", "::/64", "224.0.0.1/4", "ff02::1/64", "255.255.255.255/32", "10.0.0.255/24", "10.0.0.0/24"]
        {
            assert_eq!(text.parse::<Cidr>(), Err(CidrError), "{text}");
        }
    }
}
