//! Who a client is, as far as limits go: an IPv4 address, or an IPv6 network of 64 bits, since one subscriber has
//! all of those (RFC 6177).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use device::Peer;

/// What limits count as one client.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// One IPv4 address.
    V4(Ipv4Addr),
    /// The upper 64 bits of an IPv6 address.
    V6(u64),
    /// Processes of the same machine.
    Local,
}

impl Client {
    /// The client that `address` belongs to; an IPv4 address inside an IPv6 one counts as IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4),
            IpAddr::V6(v6) => Self::V6((u128::from(v6) >> 64) as u64),
        }
    }
}

impl From<Peer> for Client {
    fn from(peer: Peer) -> Self {
        match peer {
            Peer::Ip(address) => Self::of(address.ip()),
            Peer::Local => Self::Local,
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(v4) => v4.fmt(f),
            Self::V6(upper) => write!(f, "{}/64", Ipv6Addr::from(u128::from(*upper) << 64)),
            Self::Local => f.write_str("local"),
        }
    }
}

/// An address is personal data: `Debug` shows only the family.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4(_) => "Client::V4(..)",
            Self::V6(_) => "Client::V6(..)",
            Self::Local => "Client::Local",
        })
    }
}

/// A network in CIDR notation (RFC 4632): `10.0.0.0/8`, `2001:db8::/32`, or one address; or `unix`, the processes of this
/// machine that connect by a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ip { address: IpAddr, prefix: u8 },
    Local,
}

impl Net {
    /// Whether `address` lies in the network; an IPv4 address inside an IPv6 one counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let Kind::Ip { address: net, prefix } = self.0 else { return false };
        match (net, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(a)) => {
                let shift = 32 - u32::from(prefix);
                u32::from(net).checked_shr(shift) == u32::from(a).checked_shr(shift)
            }
            (IpAddr::V6(net), IpAddr::V6(a)) => {
                let shift = 128 - u32::from(prefix);
                u128::from(net).checked_shr(shift) == u128::from(a).checked_shr(shift)
            }
            _ => false,
        }
    }

    /// Whether the other end of a flow is in the network.
    #[must_use]
    pub fn covers(&self, peer: Peer) -> bool {
        match peer {
            Peer::Ip(address) => self.contains(address.ip()),
            Peer::Local => self.0 == Kind::Local,
        }
    }
}

impl FromStr for Net {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        if text == "unix" {
            return Ok(Self(Kind::Local));
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetError)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(p) if p.bytes().all(|b| b.is_ascii_digit()) => p.parse().map_err(|_| NetError)?,
            Some(_) => return Err(NetError),
        };
        if prefix <= bits { Ok(Self(Kind::Ip { address, prefix })) } else { Err(NetError) }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Ip { address, prefix } => write!(f, "{address}/{prefix}"),
            Kind::Local => f.write_str("unix"),
        }
    }
}

/// Not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetError;

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a network is an address, or one with a prefix length, as 10.0.0.0/8 or 2001:db8::/32; or unix")
    }
}

impl std::error::Error for NetError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_ipv6_client_is_its_64_bits() {
        assert_eq!(Client::of(ip("2001:db8:1:2::1")), Client::of(ip("2001:db8:1:2:ffff::9")));
        assert_ne!(Client::of(ip("2001:db8:1:2::1")), Client::of(ip("2001:db8:1:3::1")));
        assert_eq!(Client::of(ip("::ffff:192.0.2.1")), Client::of(ip("192.0.2.1")));
        assert_eq!(Client::of(ip("2001:db8:1:2::1")).to_string(), "2001:db8:1:2::/64");
        assert!(!format!("{:?}", Client::of(ip("192.0.2.1"))).contains("192"));
    }

    #[test]
    fn a_network_contains_its_addresses() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
        ];
        for (net, address, inside) in cases {
            assert_eq!(net.parse::<Net>().unwrap().contains(ip(address)), inside, "{net} {address}");
        }
    }

    #[test]
    fn this_machine_is_no_address() {
        let local: Net = "unix".parse().unwrap();
        assert!(local.covers(Peer::Local) && !local.contains(ip("127.0.0.1")) && !local.contains(ip("::1")));
        let all: Net = "0.0.0.0/0".parse().unwrap();
        assert!(all.covers(Peer::Ip("192.0.2.1:9".parse().unwrap())) && !all.covers(Peer::Local));
        assert_eq!((local.to_string(), all.to_string()), ("unix".into(), "0.0.0.0/0".into()));
    }

    #[test]
    fn refuses_what_is_no_network() {
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10/8", "host", "10.0.0.0/8/8"] {
            assert_eq!(bad.parse::<Net>(), Err(NetError), "{bad}");
        }
    }
}
