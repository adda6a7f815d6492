//! A certificate with its key, as an authority gave it and as it is kept.

use std::time::Duration;

use device::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::tls::{Identity, TlsError};

/// A certificate that can be served.
pub(super) struct Certificate {
    pub(super) identity: Identity,
    from: u64,
    until: u64,
}

impl Certificate {
    /// Reads PEM: the chain, and the key of its first.
    pub(super) fn read(provider: &CryptoProvider, pem: &[u8]) -> Result<Self, TlsError> {
        let identity = Identity::from_pem(provider, pem, pem)?;
        let unusable = |error: String| TlsError::Certificate(error);
        let own = CertificateDer::from_pem_slice(pem).map_err(|error| unusable(error.to_string()))?;
        let (_, parsed) = X509Certificate::from_der(&own).map_err(|error| unusable(error.to_string()))?;
        let validity = parsed.validity();
        let seconds = |at: x509_parser::time::ASN1Time| u64::try_from(at.timestamp()).unwrap_or(0);
        Ok(Self { identity, from: seconds(validity.not_before), until: seconds(validity.not_after) })
    }

    /// Whether it has exactly these names.
    pub(super) fn is_for(&self, domains: &[String]) -> bool {
        let sorted = |names: &[String]| {
            let mut names: Vec<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
            names.sort_unstable();
            names.dedup();
            names
        };
        sorted(&self.identity.names) == sorted(domains)
    }

    /// How long until it is to be renewed: when a third of its life is left.
    pub(super) fn due(&self, now: Timestamp) -> Duration {
        let life = self.until.saturating_sub(self.from);
        Duration::from_secs((self.until - (life / 3).min(self.until)).saturating_sub(now.0))
    }
}
