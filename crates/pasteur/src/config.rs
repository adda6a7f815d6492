//! What an operator decides.

#[cfg(feature = "h3")]
use std::sync::Arc;
use std::time::Duration;

use device::Place;
use paf::http::Limits;
use paf::{Net, Tls};

/// The policy of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: Vec<Place>,
    /// How it speaks TLS there; `None` where it is plain HTTP.
    pub tls: Option<Tls>,
    /// Whether it speaks HTTP/2 there beside HTTP/1.1: as the handshake says, or where a client begins with it.
    pub http2: bool,
    /// What binds the sockets of HTTP/3, which is served at the ports that speak TLS; `None` where it is not.
    #[cfg(feature = "h3")]
    pub datagrams: Option<Arc<dyn paf::http::Datagrams>>,
    /// The port by UDP at which clients are told to find HTTP/3; `None` is the one listened at, and 0 tells them of none.
    #[cfg(feature = "h3")]
    pub h3_port: Option<u16>,
    /// Where plain HTTP is answered with the same address under TLS; of use with `tls` alone.
    pub redirect_listen: Vec<Place>,
    /// Where metrics and readiness are told; not for the public.
    pub admin_listen: Vec<Place>,
    /// Whether `POST /stop` there ends the server: where there is no other way to tell it.
    pub stop_by_admin: bool,
    /// Tells there how much of the world's memory is taken: where no system does.
    pub memory: Option<fn() -> Memory>,
    /// The largest content in bytes.
    pub max_paste: u64,
    /// The longest life in seconds; `None` where pastes may live for ever.
    pub max_expiry: Option<u64>,
    /// Pastes a client may create in a minute; as many at once. 0 is no limit.
    pub create_rate: u32,
    /// Wrong tokens a client may send in a minute; as many at once. 0 is no limit.
    pub wrong_token_rate: u32,
    /// The proxies whose public connections begin with a PROXY header, version 2.
    pub proxy_protocol: Vec<Net>,
    /// The reverse proxies that are believed about who their client is.
    pub trusted_proxies: Vec<Net>,
    /// Which header those proxies tell it in. They must set it, or remove it: a client's own would be believed.
    pub forwarded_header: ForwardedHeader,
    /// Limits of connections.
    pub http: Limits,
    /// How often the space of expired pastes is given back.
    pub sweep_every: Duration,
    /// How requests are logged; `None` not at all.
    pub log: Option<LogFormat>,
    /// Whether the log names clients' addresses.
    pub log_clients: bool,
}

/// A world's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What is taken of it.
    pub taken: u64,
    /// All that there is for the program to take.
    pub whole: u64,
}

/// The header in which a proxy tells its client's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON document a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            tls: None,
            http2: true,
            #[cfg(feature = "h3")]
            datagrams: None,
            #[cfg(feature = "h3")]
            h3_port: None,
            redirect_listen: Vec::new(),
            admin_listen: Vec::new(),
            stop_by_admin: false,
            memory: None,
            max_paste: 2 << 30,
            max_expiry: None,
            create_rate: 300,
            wrong_token_rate: 30,
            proxy_protocol: Vec::new(),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            http: Limits::default(),
            sweep_every: Duration::from_secs(30),
            log: Some(LogFormat::Text),
            log_clients: false,
        }
    }
}
