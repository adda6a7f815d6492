//! Why the server did not start or did not end well, and the exit code that says so: those of `pasteur serve`.

use std::process::ExitCode;

use paf::tls::TlsError;
use pasteur::{ServeError, SiteError};

use crate::secrets::SecretsError;

/// The exit code where what a disk holds is damaged.
pub(crate) const DAMAGED: u8 = 8;

/// One line each: what, and where.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A disk or the card was taken before.
    #[error("the device {0} is not there")]
    Device(&'static str),
    /// The store cannot be opened.
    #[error("the store on the disk \"store\": {0}")]
    Store(store::Error),
    /// The program has no site and none was given.
    #[error("no site: this program was built without one; give an image as the disk \"site\"")]
    SiteMissing,
    /// The site's disk cannot be read.
    #[error("the disk \"site\" cannot be read: {0}")]
    SiteDisk(std::io::Error),
    /// The site's image is not usable.
    #[error("the site: {0}")]
    Site(SiteError),
    /// What the disk "config" holds is not to be had.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The certificate or its key is not usable.
    #[error("the disk \"config\", /{file}: {error}")]
    Identity { file: &'static str, error: TlsError },
    /// TLS cannot be spoken on this machine.
    #[error("cannot speak TLS: {0}")]
    Tls(String),
    /// There is nothing to redirect to.
    #[error("--redirect-http needs TLS: a disk \"config\" with a certificate and its key")]
    RedirectWithoutTls,
    /// The runtime or the network could not be started.
    #[error("the machine does not let the server run: {0}")]
    Runtime(std::io::Error),
    /// The network card failed.
    #[error("the network: {0}")]
    Network(netstack::DriverError),
    /// It could not listen, or the store did not close.
    #[error("{0}")]
    Serve(ServeError),
}

impl Failure {
    /// The exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Runtime(_) | Self::Tls(_) | Self::Serve(ServeError::Close(_) | ServeError::NoEntropy(_)) => 1,
            Self::SiteMissing | Self::RedirectWithoutTls => 2,
            Self::Serve(_) => 5,
            Self::Store(store::Error::Format(_)) => 10,
            Self::Store(store::Error::Damaged(_)) | Self::Site(_) | Self::Identity { .. } => DAMAGED,
            Self::Secrets(error) => error.exit_code(),
            Self::Store(_) | Self::SiteDisk(_) | Self::Device(_) | Self::Network(_) => 7,
        })
    }
}
