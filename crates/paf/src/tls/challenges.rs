//! What a certificate authority asks of a service before it signs: that it shows an answer at its own names.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::TlsError;

/// The protocol that an authority offers, and nothing else, when it asks over TLS (RFC 8737 section 4).
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";

/// Where an authority asks over HTTP (RFC 8555 section 8.3): a token follows.
const WELL_KNOWN: &str = "/.well-known/acme-challenge/";

/// The answers that are shown now. Clones are the same: who proves puts them, [`Tls`](super::Tls) and
/// [`Redirect`](crate::Redirect) show them.
#[derive(Clone, Default)]
pub struct Challenges(Arc<RwLock<Shown>>);

#[derive(Default)]
struct Shown {
    http: HashMap<String, String>,
    tls: HashMap<String, Arc<CertifiedKey>>,
}

impl Challenges {
    /// Shows `key_authorization` for this token over HTTP (RFC 8555 section 8.3).
    pub fn show_by_http(&self, token: &str, key_authorization: &str) {
        self.write(|shown| shown.http.insert(token.to_owned(), key_authorization.to_owned()));
    }

    /// Shows this certificate to an authority that asks for `name` over TLS (RFC 8737 section 3). It is not looked into: its critical
    /// extension is one that only an authority understands.
    ///
    /// # Errors
    /// [`TlsError::Key`].
    pub fn show_by_tls(
        &self,
        provider: &CryptoProvider,
        name: &str,
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), TlsError> {
        let key = provider.key_provider.load_private_key(key).map_err(|error| TlsError::Key(error.to_string()))?;
        let key = Arc::new(CertifiedKey::new(vec![certificate], key));
        self.write(|shown| shown.tls.insert(name.to_ascii_lowercase(), key));
        Ok(())
    }

    /// Shows nothing any more.
    pub fn clear(&self) {
        self.write(|shown| *shown = Shown::default());
    }

    /// What is shown at this path, if it is an authority's.
    pub(crate) fn at(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix(WELL_KNOWN)?;
        self.0.read().unwrap_or_else(PoisonError::into_inner).http.get(token).cloned()
    }

    pub(super) fn certificate(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let name = name?.to_ascii_lowercase();
        self.0.read().unwrap_or_else(PoisonError::into_inner).tls.get(&name).cloned()
    }

    fn write<T>(&self, change: impl FnOnce(&mut Shown) -> T) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// How many: what they say is for the authority.
impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Challenges({} by HTTP, {} by TLS)", shown.http.len(), shown.tls.len())
    }
}
