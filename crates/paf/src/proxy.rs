//! The PROXY protocol, version 2: a proxy that passes connections on says whose they are
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, section 2.2).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use device::Peer;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What every header begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const HEAD: usize = 16;
/// The most bytes behind the head: addresses take 216 at most, the rest is what proxies add.
const MOST: usize = 4096;
const IPV4: u8 = 0x11;
const IPV6: u8 = 0x21;
/// A checksum of the whole header.
const CRC32C: u8 = 0x03;
/// How the client spoke TLS with the proxy.
const SSL: u8 = 0x20;
/// In `SSL`: it did.
const SSL_CLIENT: u8 = 1;

/// What a proxy said of a connection. It is among a request's extensions where its connection came by such a proxy;
/// the [`Peer`] there is then the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// The proxy itself.
    pub proxy: Peer,
    /// Whether the client spoke TLS with the proxy.
    pub tls: bool,
}

/// Why a proxy's connection was cut.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It does not begin with a header of version 2.
    #[error("the connection does not begin with a PROXY header of version 2")]
    Missing,
    /// The header is longer than the limit.
    #[error("a PROXY header of {0} bytes; the limit is {MOST}")]
    TooLong(usize),
    /// The header is not well formed.
    #[error("the PROXY header is not well formed: {0}")]
    Malformed(&'static str),
    /// It broke off.
    #[error("the PROXY header broke off: {0}")]
    Io(#[from] io::Error),
    /// It did not come in time.
    #[error("the PROXY header did not come in time")]
    Late,
}

/// What a header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Who connected to the proxy; `None` where the proxy speaks for itself, or does not know.
    pub(crate) client: Option<SocketAddr>,
    pub(crate) tls: bool,
}

/// Reads a header, and not a byte more.
pub(crate) async fn read(flow: &mut (impl AsyncRead + Unpin)) -> Result<Said, ProxyError> {
    let mut header = vec![0; HEAD];
    // Byte by byte where it is something else, which may be shorter than a header.
    flow.read_exact(&mut header[..1]).await?;
    if header[0] != SIGNATURE[0] {
        return Err(ProxyError::Missing);
    }
    flow.read_exact(&mut header[1..]).await?;
    if !header.starts_with(SIGNATURE) {
        return Err(ProxyError::Missing);
    }
    let len = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if len > MOST {
        return Err(ProxyError::TooLong(len));
    }
    header.resize(HEAD + len, 0);
    flow.read_exact(&mut header[HEAD..]).await?;
    parse(&header)
}

/// Reads a whole header whose length fits.
fn parse(header: &[u8]) -> Result<Said, ProxyError> {
    let (head, rest) = header.split_at_checked(HEAD).ok_or(ProxyError::Missing)?;
    let own = match head[12] {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyError::Malformed("an unknown version or command")),
    };
    let short = ProxyError::Malformed("too short for its addresses");
    let (client, rest) = match head[13] {
        // What a proxy says of its own health checks means nothing.
        _ if own => return Ok(Said::default()),
        IPV4 => {
            let (addresses, rest) = rest.split_at_checked(12).ok_or(short)?;
            let [a, b, c, d, _, _, _, _, p, q, ..] = *addresses else { return Err(ProxyError::Missing) };
            (Some((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([p, q])).into()), rest)
        }
        IPV6 => {
            let (addresses, rest) = rest.split_at_checked(36).ok_or(short)?;
            let (source, ports) = (addresses.first_chunk::<16>().copied().unwrap_or_default(), &addresses[32..34]);
            let address = Ipv6Addr::from(source).to_canonical();
            (Some(SocketAddr::new(address, u16::from_be_bytes([ports[0], ports[1]]))), rest)
        }
        // A Unix socket of the proxy's machine, whose names are of no use here.
        0x31 => (None, rest.get(216..).ok_or(short)?),
        0x00 => (None, rest),
        _ => return Err(ProxyError::Malformed("not a stream of an address family that is known")),
    };
    let mut said = Said { client, tls: false };
    let mut left = rest;
    while !left.is_empty() {
        let cut = ProxyError::Malformed("a field is cut short");
        let (&[kind, high, low], after) = left.split_first_chunk::<3>().ok_or(cut)?;
        let len = usize::from(u16::from_be_bytes([high, low]));
        let (value, after) = after.split_at_checked(len).ok_or(ProxyError::Malformed("a field is cut short"))?;
        match kind {
            SSL => said.tls = value.first().is_some_and(|client| client & SSL_CLIENT != 0),
            CRC32C => {
                let at = header.len() - after.len() - len;
                if value != checksum(header, at..at + len).to_be_bytes() {
                    return Err(ProxyError::Malformed("its checksum is another"));
                }
            }
            _ => {}
        }
        left = after;
    }
    Ok(said)
}

/// CRC-32C (RFC 9260 appendix A) of `header`, with zeros where the checksum itself stands.
fn checksum(header: &[u8], own: std::ops::Range<usize>) -> u32 {
    let mut crc = u32::MAX;
    for (i, &byte) in header.iter().enumerate() {
        crc ^= u32::from(if own.contains(&i) { 0 } else { byte });
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & 0_u32.wrapping_sub(crc & 1));
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        header.extend(rest);
        header
    }

    const V4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80];

    #[test]
    fn says_who_the_client_is() {
        let client = Some("192.0.2.7:4660".parse().unwrap());
        assert_eq!(parse(&header(0x21, IPV4, &V4)).unwrap(), Said { client, tls: false });
        let mut v6 = [0; 36];
        v6[..16].copy_from_slice(&"2001:db8::9".parse::<Ipv6Addr>().unwrap().octets());
        v6[32..34].copy_from_slice(&443_u16.to_be_bytes());
        assert_eq!(parse(&header(0x21, IPV6, &v6)).unwrap().client, Some("[2001:db8::9]:443".parse().unwrap()));
        let with = |fields: &[u8]| header(0x21, IPV4, &[&V4[..], fields].concat());
        assert_eq!(parse(&with(&[1, 0, 2, b'h', b'2', SSL, 0, 5, 1, 0, 0, 0, 0])).unwrap(), Said { client, tls: true });
        assert_eq!(parse(&with(&[SSL, 0, 5, 0, 0, 0, 0, 1])).unwrap(), Said { client, tls: false });
    }

    #[test]
    fn a_proxy_may_speak_for_itself() {
        assert_eq!(parse(&header(0x20, 0, &[])).unwrap(), Said::default());
        assert_eq!(parse(&header(0x20, IPV4, &[1, 2, 3])).unwrap(), Said::default());
        assert_eq!(parse(&header(0x21, 0, &[])).unwrap(), Said::default());
        assert_eq!(parse(&header(0x21, 0x31, &[0; 216])).unwrap(), Said::default());
    }

    #[test]
    fn a_checksum_is_checked() {
        assert_eq!(checksum(b"123456789", 0..0), 0xe306_9283);
        let mut whole = header(0x21, IPV4, &[&V4[..], &[CRC32C, 0, 4, 0, 0, 0, 0]].concat());
        let at = whole.len() - 4;
        let sum = checksum(&whole, at..at + 4).to_be_bytes();
        whole[at..].copy_from_slice(&sum);
        assert!(parse(&whole).is_ok());
        whole[20] ^= 1;
        assert!(parse(&whole).is_err());
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for bad in [
            header(0x11, IPV4, &V4),
            header(0x22, IPV4, &V4),
            header(0x21, 0x12, &V4),
            header(0x21, 0x41, &V4),
            header(0x21, IPV4, &V4[..11]),
            header(0x21, IPV6, &V4),
            header(0x21, IPV4, &[&V4[..], &[1, 0]].concat()),
            header(0x21, IPV4, &[&V4[..], &[1, 0, 2, 0]].concat()),
            header(0x21, IPV4, &[&V4[..], &[CRC32C, 0, 0]].concat()),
            SIGNATURE.to_vec(),
        ] {
            assert!(parse(&bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn not_a_byte_more_is_read() {
        let bytes = [&header(0x21, IPV4, &V4)[..], b"GET /"].concat();
        let mut flow = &bytes[..];
        assert!(read(&mut flow).await.unwrap().client.is_some());
        assert_eq!(flow, b"GET /");
        let mut flow = &b"GET / HTTP/1.1\r\n"[..];
        assert!(matches!(read(&mut flow).await, Err(ProxyError::Missing)));
        let mut flow = &b"\r\n\r\n\0\r\nQUIX\n    "[..];
        assert!(matches!(read(&mut flow).await, Err(ProxyError::Missing)));
        let mut flow = &header(0x21, IPV4, &[0; MOST + 1])[..];
        assert!(matches!(read(&mut flow).await, Err(ProxyError::TooLong(_))));
        let mut flow = &header(0x21, IPV4, &V4)[..20];
        assert!(matches!(read(&mut flow).await, Err(ProxyError::Io(_))));
    }
}
