//! Certificates for this machine, and the disks by which they come to another.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{CertificateParams, KeyPair};

/// The names of the certificate's file and the key's, in a test's folder.
pub(crate) const CHAIN: &str = "chain.pem";
pub(crate) const KEY: &str = "key.pem";

/// Makes a certificate and its key: their PEM.
pub(crate) fn make(folder: &Path) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let (certificate, key) = (certificate.pem(), key.serialize_pem());
    fs::write(folder.join(CHAIN), &certificate).unwrap();
    fs::write(folder.join(KEY), &key).unwrap();
    (certificate, key)
}

/// Has OpenSSL make one whose key is of this kind, in its words.
pub(crate) fn make_of(folder: &Path, kind: &[&str]) -> (String, String) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=localhost", "-newkey"]).args(kind);
    openssl.args(["-addext", "subjectAltName=IP:127.0.0.1", "-out", CHAIN, "-keyout", KEY]).current_dir(folder);
    let ended = openssl.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let read = |name| fs::read_to_string(folder.join(name)).unwrap();
    (read(CHAIN), read(KEY))
}

/// A disk of secrets with these files.
pub(crate) fn disk(folder: &Path, files: &[(&str, &str)]) -> PathBuf {
    let mut image = docteur_make::Writer::new();
    for (name, text) in files {
        image.add(name, "application/x-pem-file", text.as_bytes().to_vec()).unwrap();
    }
    let mut bytes = image.finish().unwrap();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    let path = folder.join("config");
    fs::write(&path, bytes).unwrap();
    path
}

/// That with a certificate and its key.
pub(crate) fn pair(folder: &Path, (certificate, key): &(String, String)) -> PathBuf {
    disk(folder, &[("/tls/cert.pem", certificate), ("/tls/key.pem", key)])
}
