//! The disk by which secrets come: an image of docteur with a certificate and its key, as `pasteur unikernel run` makes one. Nothing of it
//! is told in an error.

use std::io;

use device::Block;
use device::image::BlockSource;
use docteur::{Cache, Image, Kind, Limits};
use thiserror::Error;
use zeroize::Zeroizing;

/// The manifest's name for the disk.
pub(crate) const DISK: &str = "config";
/// The certificate and those that sign it, in PEM.
pub(crate) const CERTIFICATE: &str = "tls/cert.pem";
/// The certificate's private key, in PEM.
pub(crate) const KEY: &str = "tls/key.pem";

/// The most bytes of a file.
const MOST: u64 = 1 << 20;
/// The most memory that the image may ask for to be read, in bytes.
const MEMORY: u64 = 4 << 20;

/// A certificate and its key, as they are in their files. They are wiped when dropped.
pub(crate) struct Pair {
    pub(crate) certificate: Zeroizing<Vec<u8>>,
    pub(crate) key: Zeroizing<Vec<u8>>,
}

/// Why the secrets are not to be had.
#[derive(Debug, Error)]
pub(crate) enum SecretsError {
    /// The disk fails.
    #[error("the disk \"{DISK}\" cannot be read: {0}")]
    Disk(io::Error),
    /// There is no usable image on it.
    #[error("the disk \"{DISK}\": {0}")]
    Image(docteur::Error<io::Error>),
    /// The image lacks a file.
    #[error("the disk \"{DISK}\" has no file /{0}")]
    Missing(&'static str),
    /// A file is too long.
    #[error("the disk \"{DISK}\", /{file}: {size} bytes, and {MOST} are the most")]
    TooLong { file: &'static str, size: u64 },
}

impl SecretsError {
    /// The machine's status.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Disk(_) => 7,
            Self::Image(_) | Self::Missing(_) | Self::TooLong { .. } => 8,
        }
    }
}

/// Reads both files.
pub(crate) fn read(disk: impl Block) -> Result<Pair, SecretsError> {
    let source = BlockSource::new(disk).map_err(SecretsError::Disk)?;
    let image = Image::open(source, &Limits::default().memory(MEMORY)).map_err(image_error)?;
    let mut cache = Cache::new(0);
    let mut file = |name: &'static str| {
        let entry = image.find(&mut cache, name.as_bytes()).map_err(image_error)?;
        let Some(Kind::File(content)) = entry.map(|entry| entry.kind) else { return Err(SecretsError::Missing(name)) };
        if content.size > MOST {
            return Err(SecretsError::TooLong { file: name, size: content.size });
        }
        // Its full length at once: a buffer that grows leaves copies.
        let mut bytes = Zeroizing::new(vec![0; content.size as usize]);
        image.read(&mut cache, &content, 0, &mut bytes).map_err(image_error)?;
        Ok(bytes)
    };
    Ok(Pair { certificate: file(CERTIFICATE)?, key: file(KEY)? })
}

fn image_error(error: docteur::Error<io::Error>) -> SecretsError {
    match error {
        docteur::Error::Source(error) => SecretsError::Disk(error),
        error => SecretsError::Image(error),
    }
}

#[cfg(test)]
mod tests {
    use device::sim::SimBlock;

    use super::*;

    /// An image with these files.
    fn image(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut image = docteur_make::Writer::new();
        for (name, bytes) in files {
            image.add(&format!("/{name}"), "application/x-pem-file", bytes.to_vec()).unwrap();
        }
        image.finish().unwrap()
    }

    /// What is read from a disk of whole sectors that begins with these bytes.
    fn of(bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>), (String, u8)> {
        let disk = SimBlock::new();
        disk.set_len((bytes.len() as u64).next_multiple_of(512)).unwrap();
        disk.write(0, bytes).unwrap();
        match read(disk) {
            Ok(pair) => Ok((pair.certificate.to_vec(), pair.key.to_vec())),
            Err(error) => Err((error.to_string(), error.exit_code())),
        }
    }

    #[test]
    fn both_files_are_read_from_a_disk_that_is_longer() {
        let long = vec![b'x'; MOST as usize];
        for (certificate, key) in [(&b"a certificate"[..], &b"a key"[..]), (&long, &long), (b"", b"")] {
            let read = of(&image(&[(CERTIFICATE, certificate), (KEY, key), ("tls/other", b"other")]));
            assert_eq!(read.unwrap(), (certificate.to_vec(), key.to_vec()));
        }
    }

    #[test]
    fn what_is_missing_or_too_long_is_told() {
        let long = vec![b'x'; MOST as usize + 1];
        for (files, why) in [
            (&[][..], "has no file /tls/cert.pem"),
            (&[(CERTIFICATE, &b"c"[..])], "has no file /tls/key.pem"),
            (&[(CERTIFICATE, b"c"), ("tls/key.pem/x", b"k")], "has no file /tls/key.pem"),
            (&[(CERTIFICATE, b"c"), (KEY, &long)], ", /tls/key.pem: 1048577 bytes, and 1048576 are the most"),
        ] {
            let (error, status) = of(&image(files)).unwrap_err();
            assert!(error.starts_with("the disk \"config\"") && error.ends_with(why) && status == 8, "{error}");
        }
    }

    #[test]
    fn what_is_no_image_or_damaged_is_told_and_nothing_of_it() {
        let whole = image(&[(CERTIFICATE, b"c"), (KEY, b"secret")]);
        for no_image in [&b""[..], &[0; 4096], b"-----BEGIN PRIVATE KEY-----\nsecret"] {
            let (error, status) = of(no_image).unwrap_err();
            assert_eq!(
                (error.as_str(), status),
                ("the disk \"config\": the image is damaged at byte 0: it does not begin with docteur's magic", 8)
            );
        }
        // Any byte but those that nothing is read from.
        let mut told = 0;
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            match of(&damaged) {
                Ok(read) => assert_eq!(read, (b"c".to_vec(), b"secret".to_vec()), "byte {at}"),
                Err((error, _)) => {
                    assert!(!error.contains("secret"), "{error}");
                    told += 1;
                }
            }
        }
        assert!(told > whole.len() / 2, "{told} of {}", whole.len());
    }

    #[test]
    fn a_disk_that_fails_is_told() {
        let disk = SimBlock::new();
        disk.set_len(4096).unwrap();
        disk.fail(0, 1, io::ErrorKind::Other);
        let error = read(disk).map(drop).unwrap_err();
        assert!(error.to_string().contains("cannot be read") && error.exit_code() == 7, "{error}");
    }
}
