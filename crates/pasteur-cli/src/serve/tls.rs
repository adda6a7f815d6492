//! The server's certificates: read from files, and read again when the operator says so; or made for trying out.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use device::Place;
use paf::Tls;
use paf::tls::{Challenges, Identity, TlsError};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::options::ServeOptions;

/// How long a certificate made here is good for; what is longer is refused by some systems.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// What the server speaks TLS with, and where it came from.
pub(super) struct Certificates {
    tls: Tls,
    provider: Arc<CryptoProvider>,
    /// Each a certificate's file and its key's.
    files: Vec<(PathBuf, PathBuf)>,
}

impl Certificates {
    /// The certificates that `options` name; `None` where there are none to be.
    pub(super) fn of(options: &ServeOptions) -> Result<Option<Self>, Failure> {
        let (certificates, keys) = (options.tls_cert.len(), options.tls_key.len());
        if certificates != keys {
            return Err(Failure::Pairs { certificates, keys });
        }
        if certificates == 0 && !options.tls_self_signed && options.acme.is_empty() {
            return Ok(None);
        }
        let provider = Arc::new(ring::default_provider());
        let files: Vec<_> = options.tls_cert.iter().cloned().zip(options.tls_key.iter().cloned()).collect();
        let identities = if !options.acme.is_empty() {
            // Until there is a certificate: a handshake that fails would tell nobody why.
            vec![self_signed(&provider, options.acme.clone())?.0]
        } else if files.is_empty() {
            vec![for_trying_out(&provider, &options.shared.listen)?]
        } else {
            read(&provider, &files)?
        };
        let tickets = ring::Ticketer::new().map_err(|error| Failure::Tls(error.to_string()))?;
        let tls = Tls::new(Arc::clone(&provider), identities).map_err(|error| Failure::Tls(error.to_string()))?;
        let tls = tls.with_tickets(tickets);
        let tls = if options.acme.is_empty() { tls } else { tls.with_challenges(Challenges::default()) };
        Ok(Some(Self { tls, provider, files }))
    }

    /// What the server speaks TLS with.
    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Reads the files again. Where one is not usable the old certificates stay, and standard error says why.
    pub(super) fn reload(&self) {
        if self.files.is_empty() {
            return;
        }
        let read = read(&self.provider, &self.files);
        match read.and_then(|new| self.tls.replace(new).map_err(|error| Failure::Tls(error.to_string()))) {
            Ok(()) => eprintln!("pasteur: the certificates were read again"),
            Err(failure) => eprintln!("pasteur: the old certificates stay: {failure}"),
        }
    }
}

fn read(provider: &CryptoProvider, files: &[(PathBuf, PathBuf)]) -> Result<Vec<Identity>, Failure> {
    let contents = |path: &Path| {
        let error = |error| Failure::TlsFile { path: path.to_owned(), error };
        std::fs::read(path).map(Zeroizing::new).map_err(error)
    };
    let identity = |(chain, key): &(PathBuf, PathBuf)| {
        Identity::from_pem(provider, &contents(chain)?, &contents(key)?).map_err(|error| {
            let path = if matches!(error, TlsError::Key(_)) { key } else { chain };
            Failure::Identity { path: path.clone(), error }
        })
    };
    files.iter().map(identity).collect()
}

/// A certificate for this machine's own name and the addresses that are listened at. Its key is never stored. Its
/// fingerprint is told, so that a browser's warning can be compared with it.
fn for_trying_out(provider: &CryptoProvider, listen: &[Place]) -> Result<Identity, Failure> {
    let mut names = vec![String::from("localhost")];
    let ip = |place: &Place| match place {
        Place::Ip(address) => Some(address.ip()).filter(|ip| !ip.is_unspecified()),
        _ => None,
    };
    let mut addresses: Vec<IpAddr> = listen.iter().filter_map(ip).collect();
    addresses.dedup();
    names.extend(addresses.iter().map(IpAddr::to_string));
    let (identity, certificate) = self_signed(provider, names)?;
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, &certificate);
    let mut fingerprint = String::new();
    for (i, byte) in digest.as_ref().iter().enumerate() {
        let colon = if i > 0 { ":" } else { "" };
        let _ = write!(fingerprint, "{colon}{byte:02X}");
    }
    eprintln!("pasteur: a self-signed certificate, SHA-256 fingerprint {fingerprint}");
    Ok(identity)
}

/// A certificate that its own key signed, for these names; and its DER.
fn self_signed(provider: &CryptoProvider, names: Vec<String>) -> Result<(Identity, CertificateDer<'static>), Failure> {
    let failure = |error: rcgen::Error| Failure::Tls(error.to_string());
    let mut params = CertificateParams::new(names).map_err(failure)?;
    params.distinguished_name.push(DnType::CommonName, "pasteur, self-signed");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + now.saturating_sub(Duration::from_secs(86_400));
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + now + YEAR;
    let key = KeyPair::generate().map_err(failure)?;
    let certificate = params.self_signed(&key).map_err(failure)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let der = certificate.der().clone();
    let identity = Identity::from_der(provider, vec![der.clone()], key);
    identity.map(|identity| (identity, der)).map_err(|error| Failure::Tls(error.to_string()))
}
