//! Connections of hostile and of good clients, plain or by TLS.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socket2::{Domain, Socket, Type};

/// How long an attacker waits for a server that has enough of it.
const ATTACKERS_PATIENCE: Duration = Duration::from_secs(1);

/// A connection, plain or by TLS.
pub(super) trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// A server under attack.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    tls: Option<Tls>,
    /// Connections that attackers have opened.
    pub(super) opened: AtomicU32,
}

/// How to speak TLS to it.
pub(super) struct Tls {
    one: Arc<ClientConfig>,
    two: Arc<ClientConfig>,
    /// The same for QUIC.
    pub(super) three: Arc<ClientConfig>,
}

/// What an attack and the one who waits for it tell each other.
#[derive(Default)]
pub(super) struct Signals {
    /// Everything that it is to hold is there.
    pub(super) is_ready: AtomicBool,
    pub(super) is_over: AtomicBool,
}

impl Signals {
    pub(super) fn goes_on(&self) -> bool {
        !self.is_over.load(Relaxed)
    }

    pub(super) fn ready(&self) {
        self.is_ready.store(true, Relaxed);
    }
}

impl Tls {
    /// For a server that has the certificate in this file.
    pub(super) fn knowing(certificate: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let file = || certificate.display().to_string();
        roots.add(CertificateDer::from_pem_file(certificate).with_context(file)?).with_context(file)?;
        let config = |protocol: &[u8]| -> Result<_> {
            let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
            let builder = builder.with_protocol_versions(&[&rustls::version::TLS13])?;
            let mut config = builder.with_root_certificates(roots.clone()).with_no_client_auth();
            // A resumed session would be cheaper for both.
            config.resumption = rustls::client::Resumption::disabled();
            config.alpn_protocols = vec![protocol.to_vec()];
            Ok(Arc::new(config))
        };
        Ok(Self { one: config(b"http/1.1")?, two: config(b"h2")?, three: config(b"h3")? })
    }
}

impl Target {
    pub(super) fn new(address: SocketAddr, tls: Option<Tls>) -> Self {
        Self { address, tls, opened: AtomicU32::new(0) }
    }

    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// One of the attackers' addresses, none of which is a good client's.
    pub(super) fn source(&self) -> SocketAddr {
        let n = self.opened.fetch_add(1, Relaxed);
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 1 + (n / 250 % 250) as u8, 1 + (n % 250) as u8)), 0)
    }

    /// A connection of an attacker, without TLS.
    pub(super) fn bare(&self) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&self.source().into())?;
        socket.connect_timeout(&self.address.into(), ATTACKERS_PATIENCE)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(ATTACKERS_PATIENCE))?;
        stream.set_write_timeout(Some(ATTACKERS_PATIENCE))?;
        Ok(stream)
    }

    /// A connection of an attacker by which it speaks HTTP/1.1.
    pub(super) fn http1(&self) -> io::Result<Box<dyn Wire>> {
        self.over(self.bare()?, |tls| &tls.one)
    }

    /// The same for HTTP/2.
    pub(super) fn http2(&self) -> io::Result<Box<dyn Wire>> {
        self.over(self.bare()?, |tls| &tls.two)
    }

    /// A connection of a good client.
    pub(super) fn good(&self, patience: Duration) -> io::Result<Box<dyn Wire>> {
        let stream = TcpStream::connect_timeout(&self.address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        self.over(stream, |tls| &tls.one)
    }

    fn over(&self, stream: TcpStream, config: impl Fn(&Tls) -> &Arc<ClientConfig>) -> io::Result<Box<dyn Wire>> {
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let connection = ClientConnection::new(Arc::clone(config(tls)), name()).map_err(io::Error::other)?;
        Ok(Box::new(StreamOwned::new(connection, stream)))
    }
}

/// The name that the server's certificate is for.
pub(super) fn name() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into())
}
