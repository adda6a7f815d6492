//! What the machine's command line says: the options that a server has everywhere, and those of the network that is this machine's
//! own.

use std::ffi::OsString;
use std::net::{AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr};

use clap::parser::ValueSource;
use clap::{Args, Command, FromArgMatches, Parser};
use device::Place;
use netstack::{Cidr, Config as Network};

/// A machine has no Unix sockets, nor anybody to pass it any.
const LISTEN: &str =
    "Where to listen, as 10.0.0.2:8080 or [::]:80 (which takes IPv4, too) [default: [::]:80, or [::]:443 with TLS]";

/// The server as a machine of its own.
#[derive(Debug, Parser)]
#[command(name = "pasteur-unikernel", version, mut_arg("listen", |listen| listen.default_value(None).help(LISTEN)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) shared: pasteur::Options,
    #[command(flatten)]
    pub(crate) network: NetworkOptions,
    /// Whether `--cache` was given.
    #[arg(skip)]
    pub(crate) cache_given: bool,
}

/// How the machine is reached. Without an address, it asks a DHCP server and routers for some.
#[derive(Args, Debug)]
pub(crate) struct NetworkOptions {
    /// The machine's IPv4 addresses, each with its network, as 10.0.0.2/24
    #[arg(long, value_name = "ADDRESS/PREFIX", value_delimiter = ',', value_parser = ipv4)]
    pub(crate) ipv4: Vec<Cidr>,
    /// The machine's IPv6 addresses, each with its network, as fd00::2/64
    #[arg(long, value_name = "ADDRESS/PREFIX", value_delimiter = ',', value_parser = ipv6)]
    pub(crate) ipv6: Vec<Cidr>,
    /// The routers that lead to other networks, one of IPv4 and one of IPv6
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_parser = router)]
    pub(crate) gateway: Vec<IpAddr>,
    /// Ask a DHCP server for an IPv4 address, beside those given
    #[arg(long)]
    pub(crate) dhcp: bool,
    /// Have IPv6 addresses in the networks that routers advertise, beside those given
    #[arg(long)]
    pub(crate) slaac: bool,
}

/// Reads a command line.
pub(crate) fn of(words: impl IntoIterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let matches = <Arguments as clap::CommandFactory>::command().try_get_matches_from(words)?;
    let mut arguments = Arguments::from_arg_matches(&matches)?;
    arguments.cache_given = matches.value_source("cache") != Some(ValueSource::DefaultValue);
    let addresses = arguments.network.ipv4.len() + arguments.network.ipv6.len();
    if addresses > Network::MOST_ADDRESSES {
        return Err(conflict(&format!("{addresses} addresses: there are {} at most", Network::MOST_ADDRESSES)));
    }
    let (ipv4, ipv6): (Vec<&IpAddr>, Vec<_>) = arguments.network.gateway.iter().partition(|router| router.is_ipv4());
    if ipv4.len() > 1 || ipv6.len() > 1 {
        return Err(conflict("more than one --gateway of one kind"));
    }
    Ok(arguments)
}

fn conflict(what: &str) -> clap::Error {
    Command::new("pasteur-unikernel").error(clap::error::ErrorKind::ArgumentConflict, what)
}

impl Arguments {
    /// Where to listen: where it was told to, or at the port of HTTP, or of HTTPS `with_tls`.
    pub(crate) fn listen(&self, with_tls: bool) -> Vec<Place> {
        if !self.shared.listen.is_empty() {
            return self.shared.listen.clone();
        }
        vec![Place::Ip((Ipv6Addr::UNSPECIFIED, if with_tls { 443 } else { 80 }).into())]
    }
}

impl NetworkOptions {
    /// As the network stack is told.
    pub(crate) fn config(&self) -> Network {
        let mut config =
            self.ipv4.iter().chain(&self.ipv6).fold(Network::default(), |config, address| config.address(*address));
        config = self.gateway.iter().fold(config, |config, router| config.gateway(*router));
        let none = self.ipv4.is_empty() && self.ipv6.is_empty() && !self.dhcp && !self.slaac;
        let config = if self.dhcp || none { config.dhcp() } else { config };
        if self.slaac || none { config.slaac() } else { config }
    }
}

fn ipv4(text: &str) -> Result<Cidr, String> {
    of_kind(text, true)
}

fn ipv6(text: &str) -> Result<Cidr, String> {
    of_kind(text, false)
}

fn of_kind(text: &str, ipv4: bool) -> Result<Cidr, String> {
    let address: Cidr = text.parse().map_err(|error: netstack::CidrError| error.to_string())?;
    // Only the addresses of IPv6 have colons.
    if text.contains(':') == ipv4 {
        return Err(String::from(if ipv4 {
            "this is an IPv6 address: --ipv6"
        } else {
            "this is an IPv4 address: --ipv4"
        }));
    }
    Ok(address)
}

/// Nobody is at 0.0.0.0 or 224.0.0.1.
fn router(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|error: AddrParseError| error.to_string())?;
    if address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return Err(String::from("a router's address is one host's"));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, String> {
        let words = std::iter::once("pasteur-unikernel").chain(line.split_whitespace()).map(OsString::from);
        of(words).map_err(|error| error.to_string())
    }

    #[test]
    fn has_the_options_of_a_server() {
        #[derive(Parser)]
        struct Server {
            #[command(flatten)]
            _shared: pasteur::Options,
        }
        let names = |command: Command| -> Vec<_> {
            command.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned)).collect()
        };
        let ours = names(<Arguments as clap::CommandFactory>::command());
        let server = names(<Server as clap::CommandFactory>::command());
        assert!(server.len() > 15 && server.iter().all(|name| ours.contains(name)));
        let arguments = parsed("--max-paste 1MiB --cache 4MiB --admin-listen [::]:9000").unwrap();
        assert_eq!(arguments.shared.max_paste, 1 << 20);
        assert!(arguments.cache_given && !parsed("").unwrap().cache_given);
    }

    #[test]
    fn listens_at_the_port_of_what_it_speaks() {
        for (line, with_tls, place) in [
            ("", false, "[::]:80"),
            ("", true, "[::]:443"),
            ("--listen 10.0.0.2:8080", false, "10.0.0.2:8080"),
            ("--listen [::]:80", true, "[::]:80"),
        ] {
            assert_eq!(parsed(line).unwrap().listen(with_tls), [place.parse().unwrap()], "{line}");
        }
    }

    #[test]
    fn addresses_are_of_their_kind_and_few() {
        let network = parsed("--ipv4 10.0.0.2/24 --ipv6 fd00::2/64 --gateway 10.0.0.1,fd00::1").unwrap().network;
        assert_eq!((network.ipv4.len(), network.ipv6.len(), network.gateway.len()), (1, 1, 2));
        for (line, what) in [
            ("--ipv4 fd00::2/64", "this is an IPv6 address"),
            ("--ipv6 10.0.0.2/24", "this is an IPv4 address"),
            ("--ipv4 10.0.0.2", "an address with its network is like"),
            ("--ipv4 10.0.2.255/24", "and one host's"),
            ("--gateway 224.0.0.1", "a router's address is one host's"),
            ("--gateway ff02::1", "a router's address is one host's"),
            ("--gateway 0.0.0.0", "a router's address is one host's"),
            ("--gateway 255.255.255.255", "a router's address is one host's"),
            ("--gateway router", "invalid IP address syntax"),
            ("--gateway 10.0.0.1 --gateway 10.0.0.2", "more than one --gateway"),
            ("--ipv4 10.0.0.1/8,10.0.0.2/8,10.0.0.3/8,10.0.0.4/8,10.0.0.5/8", "5 addresses: there are 4 at most"),
            ("--store x", "unexpected argument '--store'"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(what), "{line}: {error}");
        }
    }
}
