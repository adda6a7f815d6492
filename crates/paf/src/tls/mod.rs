//! TLS 1.2 and 1.3 by rustls: certificates by name, replaced while connections go on.
//!
//! [`Tls`] is what [`crate::https`] and [`crate::alpn`] serve with. Its cryptography is the caller's choice, since what
//! suits an ordinary machine does not build for every other. There is no early data: a request that can be replayed is
//! no request.

mod challenges;
mod facts;
mod first;
mod identity;
mod names;

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

pub(crate) use challenges::ACME_TLS;
pub use challenges::Challenges;
pub use facts::Facts;
pub(crate) use first::FirstByte;
pub use identity::{Identity, TlsError};
use names::Names;

/// Sessions kept for resumption by those who cannot keep a ticket, or where no tickets are given out.
const SESSIONS: usize = 1024;

/// The certificates of a service and how it uses them. Clones share the certificates: replacing them in one replaces
/// them in all.
#[derive(Clone)]
pub struct Tls {
    provider: Arc<CryptoProvider>,
    names: Arc<Names>,
    tickets: Option<Arc<dyn ProducesTickets>>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    shows_challenges: bool,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// They are asked, and may decline; [`Facts::client`] tells who did not.
    Asked,
    /// A handshake without one fails.
    Needed,
}

impl Tls {
    /// Serves with `identities`: each for the names its certificate holds, the first for clients that name nobody or
    /// somebody unknown.
    ///
    /// # Errors
    /// [`TlsError::NoIdentity`] without any, [`TlsError::Provider`] where `provider` lacks what TLS 1.2 or 1.3 needs.
    pub fn new(provider: Arc<CryptoProvider>, identities: Vec<Identity>) -> Result<Self, TlsError> {
        let names = Arc::new(Names::new(identities)?);
        let tls = Self { provider, names, tickets: None, clients: None, shows_challenges: false };
        tls.config(&[])?;
        Ok(tls)
    }

    /// Gives out tickets for resumption, which `tickets` seals under keys that it changes from time to time. Without,
    /// the service remembers the last sessions itself.
    #[must_use]
    pub fn with_tickets(mut self, tickets: Arc<dyn ProducesTickets>) -> Self {
        self.tickets = Some(tickets);
        self
    }

    /// Shows `challenges` to authorities that ask by TLS-ALPN-01 (RFC 8737); nobody else ever sees them.
    #[must_use]
    pub fn with_challenges(mut self, challenges: Challenges) -> Self {
        self.names.show(challenges);
        self.shows_challenges = true;
        self
    }

    /// Asks clients for certificates that one of the PEM certificates in `roots` has signed.
    ///
    /// # Errors
    /// [`TlsError::Roots`] where `roots` holds none, or one that is no certificate authority.
    pub fn with_clients(mut self, clients: Clients, roots: &[u8]) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(roots) {
            store.add(root.map_err(|error| TlsError::Roots(error.to_string()))?).map_err(roots_error)?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), Arc::clone(&self.provider));
        let verifier = match clients {
            Clients::Asked => verifier.allow_unauthenticated(),
            Clients::Needed => verifier,
        };
        self.clients = Some(verifier.build().map_err(roots_error)?);
        Ok(self)
    }

    /// Replaces the certificates for connections to come; those that are open go on with theirs.
    ///
    /// # Errors
    /// [`TlsError::NoIdentity`]; the old ones then stay.
    pub fn replace(&self, identities: Vec<Identity>) -> Result<(), TlsError> {
        self.names.replace(identities)
    }

    /// The cryptography.
    #[cfg(feature = "acme")]
    pub(crate) fn provider(&self) -> &CryptoProvider {
        &self.provider
    }

    /// The challenges that are shown, if any are: a [`Redirect`](crate::Redirect) may show the same.
    #[must_use]
    pub fn challenges(&self) -> Option<Challenges> {
        self.names.challenges()
    }

    /// rustls's configuration with these protocols offered, the best first.
    pub(crate) fn config(&self, protocols: &[&[u8]]) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Provider)?;
        let builder = match &self.clients {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let names: Arc<Names> = Arc::clone(&self.names);
        let mut config = builder.with_cert_resolver(names);
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        if self.shows_challenges {
            config.alpn_protocols.push(ACME_TLS.to_vec());
        }
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        if let Some(tickets) = &self.tickets {
            config.ticketer = Arc::clone(tickets);
        }
        Ok(config)
    }
}

fn roots_error(error: impl fmt::Display) -> TlsError {
    TlsError::Roots(error.to_string())
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("names", &self.names).finish_non_exhaustive()
    }
}
