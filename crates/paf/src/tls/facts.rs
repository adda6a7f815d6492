//! What a handler may know of the TLS its request came by.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};

/// What was agreed in a handshake; among the extensions of each request that came over TLS. Cloning is cheap.
#[derive(Clone)]
pub struct Facts(Arc<Inner>);

struct Inner {
    version: Option<ProtocolVersion>,
    suite: Option<&'static str>,
    name: Option<String>,
    resumed: bool,
    client: Option<Vec<CertificateDer<'static>>>,
}

impl Facts {
    pub(crate) fn of(connection: &ServerConnection) -> Self {
        let suite = connection.negotiated_cipher_suite().and_then(|s| s.suite().as_str());
        Self(Arc::new(Inner {
            version: connection.protocol_version(),
            suite,
            name: connection.server_name().map(str::to_owned),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            client: connection.peer_certificates().map(<[_]>::to_vec),
        }))
    }

    /// What is known of QUIC's handshake: quinn tells neither the cipher suite nor whether a session was resumed.
    #[cfg(feature = "h3")]
    pub(crate) fn of_quic(connection: &quinn::Connection) -> Self {
        use quinn::crypto::rustls::HandshakeData;
        let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
        let client =
            connection.peer_identity().and_then(|client| client.downcast::<Vec<CertificateDer<'static>>>().ok());
        Self(Arc::new(Inner {
            version: Some(ProtocolVersion::TLSv1_3),
            suite: None,
            name: data.and_then(|data| data.server_name),
            resumed: false,
            client: client.map(|client| *client),
        }))
    }

    /// The protocol's version: `TLSv1.3` or `TLSv1.2`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        if self.0.version == Some(ProtocolVersion::TLSv1_2) { "TLSv1.2" } else { "TLSv1.3" }
    }

    /// The cipher suite's name, as `TLS13_AES_256_GCM_SHA384`; `unknown` by HTTP/3.
    #[must_use]
    pub fn suite(&self) -> &'static str {
        self.0.suite.unwrap_or("unknown")
    }

    /// The name the client asked for (RFC 6066 section 3).
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Whether the session was resumed; not known by HTTP/3.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.0.resumed
    }

    /// The client's verified certificates, its own first; `None` where it showed none.
    #[must_use]
    pub fn client(&self) -> Option<&[CertificateDer<'static>]> {
        self.0.client.as_deref()
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Facts");
        out.field("version", &self.version()).field("suite", &self.suite()).field("resumed", &self.is_resumed());
        out.finish_non_exhaustive()
    }
}
