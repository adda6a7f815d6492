//! The disk by which secrets go to a unikernel: an image of docteur, since both sides have it already, and it is safe to read.

use std::fs;
use std::io::Write;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// The most bytes of a certificate's file, and of a key's.
const MOST: u64 = 1 << 20;

/// The disk's bytes.
pub(super) fn image(certificate: &Path, key: &Path) -> Result<Vec<u8>, Failure> {
    let mut image = docteur_make::Writer::new();
    for (name, path) in [("/tls/cert.pem", certificate), ("/tls/key.pem", key)] {
        let bytes = read(path)?;
        let added = image.add(name, "application/x-pem-file", bytes);
        added.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    }
    let mut bytes = image.finish().map_err(|error| Failure::Usage(error.to_string()))?;
    // A disk has whole sectors.
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    Ok(bytes)
}

/// Writes the disk into a file that only this user can read, and that goes when it is dropped.
pub(super) fn disk(bytes: &[u8]) -> Result<NamedTempFile, Failure> {
    let failed = |error| Failure::local("cannot write", "a temporary file", error);
    let mut file = tempfile::Builder::new().prefix("pasteur-config-").tempfile().map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    Ok(file)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::local("cannot read", path, error);
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > MOST {
        return Err(Failure::Usage(format!("{}: {size} bytes are more than {MOST}", path.display())));
    }
    fs::read(path).map_err(failed)
}
