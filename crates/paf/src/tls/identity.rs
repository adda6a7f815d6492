//! A certificate with its private key.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;

/// A certificate, those that sign it, and its private key.
#[derive(Clone)]
pub struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    pub(crate) names: Vec<String>,
}

/// Why a service cannot speak TLS.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// There is no certificate to serve with.
    #[error("no certificate")]
    NoIdentity,
    /// The chain is not PEM, or what it holds is no certificate.
    #[error("the certificate is not usable: {0}")]
    Certificate(String),
    /// The key is not PEM, or of an unknown kind.
    #[error("the private key is not usable: {0}")]
    Key(String),
    /// The key belongs to another certificate.
    #[error("the private key is not the certificate's")]
    Mismatch,
    /// The authorities of client certificates are not usable.
    #[error("the authorities of client certificates are not usable: {0}")]
    Roots(String),
    /// The cryptography lacks something.
    #[error("the cryptography cannot do this TLS: {0}")]
    Provider(rustls::Error),
}

impl Identity {
    /// Reads a chain of PEM certificates, the service's own first, and the PEM private key (PKCS #8, PKCS #1 or SEC 1) of the
    /// first.
    ///
    /// # Errors
    /// [`TlsError`]; nothing of the key is in it.
    pub fn from_pem(provider: &CryptoProvider, chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|error| TlsError::Certificate(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Key(error.to_string()))?;
        Self::from_der(provider, chain, key)
    }

    /// The same in DER.
    ///
    /// # Errors
    /// [`TlsError`]; nothing of the key is in it.
    pub fn from_der(
        provider: &CryptoProvider,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let Some(own) = chain.first() else { return Err(TlsError::Certificate("there is none".into())) };
        let parsed = webpki::EndEntityCert::try_from(own).map_err(|e| TlsError::Certificate(e.to_string()))?;
        let names = parsed.valid_dns_names().map(str::to_ascii_lowercase).collect();
        let key = provider.key_provider.load_private_key(key).map_err(|error| TlsError::Key(error.to_string()))?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            // A key that cannot tell its public half is believed; handshakes would show it.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(TlsError::Mismatch),
        }
        Ok(Self { key: Arc::new(key), names })
    }
}

/// Names only: the key is a secret.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("names", &self.names).finish_non_exhaustive()
    }
}
