//! Why `pasteur serve` did not start or did not end well, and the exit code that says so (docs/serve.md lists them).

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use paf::tls::TlsError;
use pasteur::{ServeError, SiteError};

use super::file::FileError;

/// One line each: what, and where.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The configuration file is not usable.
    #[error("{}: {error}", path.display())]
    Config { path: PathBuf, error: FileError },
    /// No store was named.
    #[error("no store: name a file with --store, PASTEUR_STORE, or `store` in the configuration file")]
    StoreMissing,
    /// The store's file cannot be opened.
    #[error("the store {} cannot be opened: {error}", path.display())]
    StoreFile { path: PathBuf, error: io::Error },
    /// Another process has the store.
    #[error("the store {} is in use by another process", path.display())]
    StoreLocked { path: PathBuf },
    /// The file is no store, or another version's.
    #[error("{}: {error} (its journal is {}.journal)", path.display(), path.display())]
    StoreFormat { path: PathBuf, error: store::Error },
    /// The store is damaged.
    #[error("{}: {error} (its journal is {}.journal)", path.display(), path.display())]
    StoreDamaged { path: PathBuf, error: store::Error },
    /// The program has no site and none was named.
    #[error("no site: this program was built without one; name an image with --site")]
    SiteMissing,
    /// The site's image cannot be read.
    #[error("the site {} cannot be read: {error}", path.display())]
    SiteFile { path: PathBuf, error: io::Error },
    /// The site's image is not usable.
    #[error("{}: {error}", path.as_deref().map_or("the built-in site".into(), Path::to_string_lossy))]
    Site { path: Option<PathBuf>, error: SiteError },
    /// As many certificates as keys are needed.
    #[error("{certificates} files of --tls-cert and {keys} of --tls-key: each certificate needs its key")]
    Pairs { certificates: usize, keys: usize },
    /// A certificate's or a key's file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    TlsFile { path: PathBuf, error: io::Error },
    /// What is in the files is not usable.
    #[error("{}: {error}", path.display())]
    Identity { path: PathBuf, error: TlsError },
    /// No certificate could be made, or TLS cannot be spoken.
    #[error("cannot speak TLS: {0}")]
    Tls(String),
    /// What an authority gives could not be kept.
    #[error("the folder {} cannot be written, which --acme-dir names: {error}", path.display())]
    AcmeFolder { path: PathBuf, error: io::Error },
    /// There is no name to ask an authority for.
    #[error("{0} needs --acme, or `acme` in the configuration file")]
    WithoutAcme(&'static str),
    /// There is nothing to redirect to.
    #[error("--redirect-http needs TLS: --tls-cert and --tls-key, --acme, or --tls-self-signed")]
    RedirectWithoutTls,
    /// There is no HTTP/3 to tell of.
    #[error("--h3-port needs TLS: --tls-cert and --tls-key, --acme, or --tls-self-signed")]
    PortWithoutTls,
    /// The system gives no threads or signals.
    #[error("the system does not let the server run: {0}")]
    Runtime(io::Error),
    /// It could not listen, or the store did not close.
    #[error("{0}")]
    Serve(ServeError),
}

impl Failure {
    pub(super) fn store_file(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::ResourceBusy => Self::StoreLocked { path },
            _ => Self::StoreFile { path, error },
        }
    }

    pub(super) fn store(path: &Path, error: store::Error) -> Self {
        let path = path.to_owned();
        match error {
            store::Error::Locked => Self::StoreLocked { path },
            store::Error::Format(_) => Self::StoreFormat { path, error },
            store::Error::Io(error) => Self::StoreFile { path, error },
            store::Error::Full => {
                Self::StoreFile { path, error: io::Error::new(io::ErrorKind::StorageFull, error.to_string()) }
            }
            _ => Self::StoreDamaged { path, error },
        }
    }

    pub(super) fn site_file(path: &Path, error: io::Error) -> Self {
        Self::SiteFile { path: path.to_owned(), error }
    }

    /// The exit code.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Runtime(_) | Self::Tls(_) | Self::Serve(ServeError::Close(_) | ServeError::NoEntropy(_)) => 1,
            Self::Config { error, .. } if !matches!(error, FileError::Read(_)) => 2,
            Self::StoreMissing
            | Self::SiteMissing
            | Self::Pairs { .. }
            | Self::WithoutAcme(_)
            | Self::RedirectWithoutTls
            | Self::PortWithoutTls => 2,
            Self::Serve(_) => 5,
            Self::Config { .. }
            | Self::StoreFile { .. }
            | Self::SiteFile { .. }
            | Self::TlsFile { .. }
            | Self::AcmeFolder { .. } => 7,
            Self::StoreDamaged { .. } | Self::Site { .. } | Self::Identity { .. } => 8,
            Self::StoreLocked { .. } => 9,
            Self::StoreFormat { .. } => 10,
        })
    }
}
