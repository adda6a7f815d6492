//! A certificate that a machine shows, and those who are told to believe it, and no other.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use base64ct::{Base64, Encoding};
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::files::write_file;

/// A certificate for the loopback address.
pub(crate) struct Trust {
    /// It, in PEM.
    pub(crate) certificate: PathBuf,
    /// Its key, in PEM.
    pub(crate) key: PathBuf,
    /// The hash of its public key, as Chromium's `--ignore-certificate-errors-spki-list` takes it.
    pub(crate) pin: String,
    connector: TlsConnector,
}

impl Trust {
    /// Makes one, with its files in `folder`.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.self_signed(&key)?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone())?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Self {
            certificate: write_file(folder, "certificate.pem", certificate.pem())?,
            key: write_file(folder, "key.pem", key.serialize_pem())?,
            pin: Base64::encode_string(&Sha256::digest(key.subject_public_key_info())),
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    /// A connection to who shows it.
    pub(crate) async fn connect(&self, to: SocketAddr) -> Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(to).await.with_context(|| format!("connecting to {to}"))?;
        let name = ServerName::IpAddress(to.ip().into());
        self.connector.connect(name, stream).await.with_context(|| format!("TLS with {to}"))
    }
}
