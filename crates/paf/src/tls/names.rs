//! Which certificate a client gets (RFC 6066 section 3).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{ACME_TLS, Challenges, Identity, TlsError};

/// Certificates by name, replaced as a whole, and those that prove names.
pub(super) struct Names {
    table: RwLock<Arc<Table>>,
    challenges: OnceLock<Challenges>,
}

struct Table {
    named: HashMap<String, Arc<CertifiedKey>>,
    default: Arc<CertifiedKey>,
}

impl Names {
    pub(super) fn new(identities: Vec<Identity>) -> Result<Self, TlsError> {
        let table = RwLock::new(Arc::new(Table::new(identities)?));
        Ok(Self { table, challenges: OnceLock::new() })
    }

    pub(super) fn replace(&self, identities: Vec<Identity>) -> Result<(), TlsError> {
        let table = Arc::new(Table::new(identities)?);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
        Ok(())
    }

    /// Shows these from now on, to those who ask for nothing else.
    pub(super) fn show(&self, challenges: Challenges) {
        // Set twice, the first stay: clones of a `Tls` share them.
        let _ = self.challenges.set(challenges);
    }

    pub(super) fn challenges(&self) -> Option<Challenges> {
        self.challenges.get().cloned()
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Table {
    fn new(identities: Vec<Identity>) -> Result<Self, TlsError> {
        let default = Arc::clone(&identities.first().ok_or(TlsError::NoIdentity)?.key);
        let mut named = HashMap::new();
        for identity in identities {
            for name in identity.names {
                // Of two certificates for a name the first is served.
                named.entry(name).or_insert_with(|| Arc::clone(&identity.key));
            }
        }
        Ok(Self { named, default })
    }

    /// The certificate that names `asked`, or has a wildcard for its first label (RFC 6125 section 6.4.3).
    fn find(&self, asked: Option<&str>) -> &Arc<CertifiedKey> {
        let Some(asked) = asked else { return &self.default };
        let asked = asked.trim_end_matches('.').to_ascii_lowercase();
        let wild = || {
            let (_, rest) = asked.split_once('.')?;
            self.named.get(&format!("*.{rest}"))
        };
        self.named.get(&asked).or_else(wild).unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asks_for_proof = hello.alpn().is_some_and(|mut offered| offered.any(|protocol| protocol == ACME_TLS));
        if asks_for_proof && let Some(challenges) = self.challenges.get() {
            return challenges.certificate(hello.server_name());
        }
        Some(Arc::clone(self.table().find(hello.server_name())))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table();
        let mut names: Vec<&String> = table.named.keys().collect();
        names.sort();
        f.debug_list().entries(names).finish()
    }
}
