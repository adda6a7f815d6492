//! The options that a server has in each of its worlds. Each is defined here and nowhere else: flag, environment, key of the
//! configuration file, help, manual and the README's table follow from it.

use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{ArgAction, ValueEnum};
use device::Place;
use paf::Net;
use paf::http::Limits;

use crate::config::{Config, ForwardedHeader, LogFormat};
use crate::units::{duration, seconds, size, some, some_size};

/// What a server is told, whatever it runs on.
#[derive(clap::Args, Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where to listen: addresses, as 127.0.0.1:8080 or [::]:80 (which takes IPv4, too); unix:PATH, or unix:PATH?mode=660; systemd, or systemd:NAME, for sockets it passes
    #[arg(long, env = "PASTEUR_LISTEN", value_name = "PLACE", value_delimiter = ',', default_value = "127.0.0.1:8080")]
    pub listen: Vec<Place>,
    /// Where plain HTTP is sent to the first of `--listen` under TLS [default: none]
    #[arg(long, env = "PASTEUR_REDIRECT_HTTP", value_name = "PLACE", value_delimiter = ',')]
    pub redirect_http: Vec<Place>,
    /// The largest content of a paste
    #[arg(long, env = "PASTEUR_MAX_PASTE", value_name = "SIZE", default_value = "2GiB", value_parser = some_size)]
    pub max_paste: u64,
    /// The most bytes of content in all [default: what the disk holds]
    #[arg(long, env = "PASTEUR_QUOTA", value_name = "SIZE", value_parser = some_size)]
    pub quota: Option<u64>,
    /// The longest life of a paste, as 30d [default: for ever]
    #[arg(long, env = "PASTEUR_MAX_EXPIRY", value_name = "TIME", value_parser = seconds)]
    pub max_expiry: Option<u64>,
    /// Where to tell metrics (/metrics) and readiness (/readyz) [default: none]
    #[arg(long, env = "PASTEUR_ADMIN_LISTEN", value_name = "PLACE", value_delimiter = ',')]
    pub admin_listen: Vec<Place>,
    /// Pastes that a client may create in a minute, and at once; 0 is no limit
    #[arg(long, env = "PASTEUR_CREATE_RATE", value_name = "NUMBER", default_value = "300")]
    pub create_rate: u32,
    /// Wrong tokens (wrong passwords, that is) that a client may send in a minute, and at once; 0 is no limit
    #[arg(long, env = "PASTEUR_WRONG_TOKEN_RATE", value_name = "NUMBER", default_value = "30")]
    pub wrong_token_rate: u32,
    /// Proxies whose connections begin with a PROXY header, version 2, that says whose they are, as 10.0.0.0/8; `unix` is this machine's by a Unix socket
    #[arg(long, env = "PASTEUR_PROXY_PROTOCOL", value_name = "NETWORK", value_delimiter = ',')]
    pub proxy_protocol: Vec<Net>,
    /// Reverse proxies whose headers are believed about their clients' addresses, as 10.0.0.0/8; `unix` is this machine's by a Unix socket
    #[arg(long, env = "PASTEUR_TRUSTED_PROXIES", value_name = "NETWORK", value_delimiter = ',')]
    pub trusted_proxies: Vec<Net>,
    /// The header in which those proxies tell it; they have to set it themselves, or remove it
    #[arg(long, env = "PASTEUR_FORWARDED_HEADER", value_name = "NAME", default_value = "x-forwarded-for")]
    pub forwarded_header: ForwardedHeader,
    /// Connections open at once; fewer where the system has fewer descriptors
    #[arg(long, env = "PASTEUR_CONNECTIONS", value_name = "NUMBER", default_value = "16384", value_parser = some)]
    pub connections: usize,
    /// Connections open at once from one client; 0 is no limit. This machine and trusted proxies are not counted
    #[arg(long, env = "PASTEUR_CONNECTIONS_PER_CLIENT", value_name = "NUMBER", default_value = "512")]
    pub connections_per_client: usize,
    /// How long open requests may take to finish once the server is told to stop
    #[arg(long, env = "PASTEUR_GRACE", value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub grace: Duration,
    /// How often the space of expired pastes is given back
    #[arg(long, env = "PASTEUR_SWEEP", value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub sweep: Duration,
    /// The store's memory for pages
    #[arg(long, env = "PASTEUR_CACHE", value_name = "SIZE", default_value = "8MiB", value_parser = memory)]
    pub cache: usize,
    /// How requests are logged, to standard error or the console
    #[arg(long, env = "PASTEUR_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: Logged,
    /// Name clients' addresses in the log
    #[arg(long, env = "PASTEUR_LOG_CLIENTS", action = ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new())]
    pub log_clients: bool,
}

impl Options {
    /// The application's configuration, without its TLS and its sockets.
    #[must_use]
    pub fn config(&self) -> Config {
        let mut exempt: Vec<Net> = ["127.0.0.0/8", "::1"].iter().filter_map(|net| net.parse().ok()).collect();
        exempt.extend(&self.trusted_proxies);
        let http = Limits {
            connections: self.connections,
            connections_per_client: self.connections_per_client,
            exempt,
            grace: self.grace,
            ..Limits::default()
        };
        Config {
            listen: self.listen.clone(),
            tls: None,
            http2: true,
            #[cfg(feature = "h3")]
            datagrams: None,
            #[cfg(feature = "h3")]
            h3_port: None,
            redirect_listen: self.redirect_http.clone(),
            admin_listen: self.admin_listen.clone(),
            stop_by_admin: false,
            memory: None,
            max_paste: self.max_paste,
            max_expiry: self.max_expiry,
            create_rate: self.create_rate,
            wrong_token_rate: self.wrong_token_rate,
            proxy_protocol: self.proxy_protocol.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            forwarded_header: self.forwarded_header,
            http,
            sweep_every: self.sweep,
            log: self.log_format.0,
            log_clients: self.log_clients,
        }
    }
}

/// How requests are logged, if they are.
#[derive(Clone, Copy, Debug)]
pub struct Logged(pub Option<LogFormat>);

impl ValueEnum for Logged {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self(Some(LogFormat::Text)), Self(Some(LogFormat::Json)), Self(None)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self.0 {
            Some(LogFormat::Text) => PossibleValue::new("text").help("For people"),
            Some(LogFormat::Json) => PossibleValue::new("json").help("One JSON document a line"),
            None => PossibleValue::new("none").help("No log"),
        })
    }
}

impl ValueEnum for ForwardedHeader {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::XForwardedFor, Self::Forwarded]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::XForwardedFor => PossibleValue::new("x-forwarded-for").help("X-Forwarded-For and X-Forwarded-Proto"),
            Self::Forwarded => PossibleValue::new("forwarded").help("Forwarded (RFC 7239)"),
        })
    }
}

fn memory(text: &str) -> Result<usize, String> {
    usize::try_from(size(text)?).map_err(|_| String::from("more than this machine can address"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_defaults_are_the_applications_own() {
        let ours = Program::try_parse_from(["pasteur"]).unwrap().options.config();
        let theirs = Config::default();
        assert_eq!((ours.max_paste, ours.max_expiry), (theirs.max_paste, theirs.max_expiry));
        assert_eq!((ours.create_rate, ours.wrong_token_rate), (theirs.create_rate, theirs.wrong_token_rate));
        assert_eq!(
            (ours.sweep_every, ours.log, ours.log_clients),
            (theirs.sweep_every, theirs.log, theirs.log_clients)
        );
    }
}
