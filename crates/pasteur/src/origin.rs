//! Who really sent a request, where a trusted proxy stands between.

use std::net::IpAddr;

use device::Peer;
use http::HeaderMap;
use http::header::FORWARDED;
use paf::{Client, Net};

use crate::config::ForwardedHeader;

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Its client, as limits count.
    pub(crate) client: Client,
    /// Whether it came over TLS.
    pub(crate) tls: bool,
}

/// The origin of a request that `peer` delivered, by TLS or not. Only a trusted peer's headers are believed, and of the addresses they
/// tell, the last one that is not itself a trusted proxy: what stands left of it is the client's own claim.
pub(crate) fn origin(
    peer: Peer,
    is_tls: bool,
    headers: &HeaderMap,
    trusted: &[Net],
    header: ForwardedHeader,
) -> Origin {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(address));
    let direct = Origin { client: Client::from(peer), tls: is_tls };
    if !trusted.iter().any(|net| net.covers(peer)) {
        return direct;
    }
    let (mut hops, tls) = match header {
        ForwardedHeader::XForwardedFor => (x_forwarded_for(headers), is_https(headers)),
        ForwardedHeader::Forwarded => forwarded(headers),
    };
    // A hop that is no address hides what is left of it; then the proxy itself is the client.
    let client = loop {
        match hops.pop() {
            Some(Some(address)) if is_trusted(address) => {}
            Some(Some(address)) => break Client::of(address),
            Some(None) | None => break Client::from(peer),
        }
    };
    Origin { client, tls }
}

/// The addresses of `X-Forwarded-For`, oldest first.
fn x_forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all("x-forwarded-for").iter();
    lines.flat_map(|line| line.to_str().unwrap_or("?").split(',')).map(address).collect()
}

fn is_https(headers: &HeaderMap) -> bool {
    let last = headers.get_all("x-forwarded-proto").iter().next_back();
    last.and_then(|line| line.to_str().ok()?.rsplit(',').next())
        .is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}

/// The `for` addresses of `Forwarded` (RFC 7239), oldest first, and whether the last hop says https.
fn forwarded(headers: &HeaderMap) -> (Vec<Option<IpAddr>>, bool) {
    let mut hops = Vec::new();
    let mut tls = false;
    for element in headers.get_all(FORWARDED).iter().flat_map(|line| line.to_str().unwrap_or("?").split(',')) {
        let mut hop = None;
        tls = false;
        for pair in element.split(';') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match name.trim() {
                n if n.eq_ignore_ascii_case("for") => hop = address(value),
                n if n.eq_ignore_ascii_case("proto") => tls = value.eq_ignore_ascii_case("https"),
                _ => {}
            }
        }
        hops.push(hop);
    }
    (hops, tls)
}

/// An address with or without port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return Some(address.ip());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(peer: &str, header: ForwardedHeader, lines: &[(&'static str, &'static str)]) -> (String, bool) {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let headers = lines.iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v)));
        let mut map = HeaderMap::new();
        headers.for_each(|(n, v): (http::HeaderName, _)| {
            map.append(n, v);
        });
        let origin = origin(Peer::Ip(peer.parse().unwrap()), false, &map, &trusted, header);
        (origin.client.to_string(), origin.tls)
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let lines = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")];
        assert_eq!(of("203.0.113.5:9", ForwardedHeader::XForwardedFor, &lines), ("203.0.113.5".into(), false));
    }

    #[test]
    fn a_proxy_is_believed_up_to_what_its_client_claims() {
        let x = ForwardedHeader::XForwardedFor;
        assert_eq!(of("10.0.0.1:9", x, &[("x-forwarded-for", "1.1.1.1, 192.0.2.1, 10.9.9.9")]).0, "192.0.2.1");
        let two = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")];
        assert_eq!(of("[::1]:9", x, &two), ("192.0.2.7".into(), true));
        assert_eq!(of("10.0.0.1:9", x, &[("x-forwarded-for", "1.1.1.1, what")]).0, "10.0.0.1");
        assert_eq!(of("10.0.0.1:9", x, &[]).0, "10.0.0.1");
        assert_eq!(of("10.0.0.1:9", x, &[("forwarded", "for=192.0.2.1")]).0, "10.0.0.1");
    }

    #[test]
    fn a_proxy_of_this_machine_is_believed_where_it_is_named() {
        let headers =
            HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), HeaderValue::from_static("192.0.2.1"))]);
        let of = |trusted: &[Net]| origin(Peer::Local, false, &headers, trusted, ForwardedHeader::XForwardedFor).client;
        assert_eq!(of(&["unix".parse().unwrap()]).to_string(), "192.0.2.1");
        assert_eq!(of(&["127.0.0.1".parse().unwrap()]), Client::Local);
    }

    #[test]
    fn reads_rfc_7239() {
        let f = ForwardedHeader::Forwarded;
        let line = [("forwarded", "for=1.1.1.1, For=\"[2001:db8:cafe::17]:4711\";proto=https;by=10.0.0.3")];
        assert_eq!(of("10.0.0.1:9", f, &line), ("2001:db8:cafe::/64".into(), true));
        assert_eq!(of("10.0.0.1:9", f, &[("forwarded", "for=_hidden")]).0, "10.0.0.1");
        assert_eq!(of("10.0.0.1:9", f, &[("x-forwarded-for", "192.0.2.1")]).0, "10.0.0.1");
    }
}
