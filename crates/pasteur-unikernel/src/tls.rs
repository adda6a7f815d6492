//! The certificate that came by the disk of secrets, and the cryptography that TLS is spoken with.

use std::sync::Arc;

use device::Block;
use paf::Tls;
use paf::tls::{Identity, TlsError};
use rustls_graviola::Ticketer;

use crate::failure::Failure;
use crate::secrets::{self, CERTIFICATE, KEY, Pair};

/// What the server speaks TLS with.
pub(crate) fn of(disk: impl Block) -> Result<Tls, Failure> {
    let lacking = lacking();
    if !lacking.is_empty() {
        return Err(Failure::Tls(format!("the processor lacks {}", lacking.join(", "))));
    }
    let Pair { certificate, key } = secrets::read(disk)?;
    let provider = Arc::new(rustls_graviola::default_provider());
    let identity = Identity::from_pem(&provider, &certificate, &key).map_err(|error| {
        let file = if matches!(error, TlsError::Key(_)) { KEY } else { CERTIFICATE };
        Failure::Identity { file, error }
    })?;
    let cannot = |error: &dyn std::fmt::Display| Failure::Tls(error.to_string());
    let tickets = Ticketer::new().map_err(|error| cannot(&error))?;
    Ok(Tls::new(provider, vec![identity]).map_err(|error| cannot(&error))?.with_tickets(tickets))
}

/// The processor's features that graviola panics without, where they are not there.
fn lacking() -> Vec<&'static str> {
    let features = [
        ("adx", is_x86_feature_detected!("adx")),
        ("aes", is_x86_feature_detected!("aes")),
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("bmi1", is_x86_feature_detected!("bmi1")),
        ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
    ];
    features.into_iter().filter(|(_, there)| !there).map(|(name, _)| name).collect()
}
