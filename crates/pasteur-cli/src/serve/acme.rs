//! `--acme`: a certificate from an authority, kept in a folder and renewed while the server runs.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use device::Clock;
use instant_acme::{Account, AccountBuilder};
use paf::Tls;
use paf::acme::{Acme, Certifier, Event, Keep};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::options::ServeOptions;
use crate::duration;
use crate::history::replace_private;

/// The largest file that is read: an account, or a chain of certificates.
const LARGEST: u64 = 1 << 20;

/// What is started once the server listens.
pub(super) struct Certified {
    certifier: Certifier<Folder>,
    root: Option<PathBuf>,
    domains: String,
}

impl Certified {
    /// Serves what an earlier start has kept. Where that cannot be read, standard error says why.
    pub(super) fn start(
        options: &ServeOptions,
        store: &Path,
        tls: &Tls,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        if let Some(root) = &options.acme_root {
            // Told now, and not an hour later.
            File::open(root).map_err(|error| Failure::TlsFile { path: root.clone(), error })?;
        }
        let folder = options.acme_dir.clone().unwrap_or_else(|| {
            let mut folder = store.as_os_str().to_owned();
            folder.push(".acme");
            folder.into()
        });
        let acme = Acme {
            directory: options.acme_directory.clone(),
            domains: options.acme.clone(),
            contact: options.acme_contact.iter().map(|address| format!("mailto:{address}")).collect(),
            by_http: !options.shared.redirect_http.is_empty(),
        };
        let domains = acme.domains.join(", ");
        let folder = Folder(folder);
        // Told before an authority is asked for what could not be kept.
        folder.try_out().map_err(|error| Failure::AcmeFolder { path: folder.0.clone(), error })?;
        let mut certifier = Certifier::new(acme, tls.clone(), folder, clock);
        match certifier.load() {
            Ok(Some(due)) => {
                eprintln!("pasteur: the certificate for {domains} is renewed in {}", duration::show(due.as_secs()));
            }
            Ok(None) => {}
            Err(error) => eprintln!("pasteur: the certificate that was kept for {domains} cannot be used: {error}"),
        }
        Ok(Self { certifier, root: options.acme_root.clone(), domains })
    }

    /// Keeps the certificate good for ever.
    pub(super) async fn run(self) {
        let Self { certifier, root, domains } = self;
        let http = move || -> Result<AccountBuilder, instant_acme::Error> {
            root.as_ref().map_or_else(Account::builder, Account::builder_with_root)
        };
        let tell = |event: Event<'_>| match event {
            Event::Obtained { renewed_in } => {
                eprintln!(
                    "pasteur: a certificate for {domains} is there; it is renewed in {}",
                    duration::show(renewed_in.as_secs())
                );
            }
            Event::Failed { error, again_in } => {
                let error = whole(error);
                eprintln!(
                    "pasteur: no certificate for {domains}: {error}; tried again in {}",
                    duration::show(again_in.as_secs())
                );
            }
            Event::ContactUntold { error } => {
                eprintln!("pasteur: the authority was not told of --acme-contact: {}", whole(error));
            }
            Event::Unwritten { error, again_in } => {
                eprintln!("pasteur: {error}; tried again in {}", duration::show(again_in.as_secs()));
            }
            _ => {}
        };
        certifier.run(http, tell).await;
    }
}

/// An error with what it was caused by, which its own words may leave out.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// A folder of this user's alone.
struct Folder(PathBuf);

impl Folder {
    /// Makes the folder where there is none, and a file in it, which it removes.
    fn try_out(&self) -> io::Result<()> {
        const NAME: &str = "writable";
        self.save(NAME, b"")?;
        fs::remove_file(self.0.join(NAME))
    }
}

impl Keep for Folder {
    fn load(&self, name: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let mut content = Zeroizing::new(Vec::new());
        match File::open(self.0.join(name)) {
            Ok(file) => file.take(LARGEST).read_to_end(&mut content)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(content))
    }

    fn save(&self, name: &str, content: &[u8]) -> io::Result<()> {
        replace_private(&self.0.join(name), content)?;
        // The name is to survive a loss of power, too.
        File::open(&self.0)?.sync_all()
    }
}
