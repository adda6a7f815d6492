//! A scenario's world: what it may use, and the judgement after it.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::browser::Browser;
use crate::program::Program;
use crate::server::{Kind, Server};
use crate::turn::{Turn, artifacts};
use crate::wire::Wire;
use crate::{BIG_STEP, STEP};

/// How long a whole scenario may take.
const SCENARIO: Duration = Duration::from_secs(600);

/// Everything a scenario needs, gone after it.
pub struct World {
    // Dropped in this order: nobody writes to the folder any more when it is removed, and only then it is another's turn.
    browsers: RefCell<Vec<Rc<Browser>>>,
    /// The server.
    pub server: Server,
    folder: TempDir,
    binary: PathBuf,
    secrets: RefCell<Vec<Vec<u8>>>,
    _turn: Turn,
}

/// Runs a scenario on a server with its defaults (and large pastes), then judges its world.
///
/// # Errors
/// The scenario failed, or something happened that must never happen. Pictures of the browsers are left in
/// `target/e2e/failed/` then.
pub fn scenario(name: &str, act: impl AsyncFnOnce(&World) -> Result<()>) -> Result<()> {
    scenario_on(Kind::Host, name, act)
}

/// [`scenario`] on a server of this kind.
///
/// # Errors
/// As there.
pub fn scenario_on(kind: Kind, name: &str, act: impl AsyncFnOnce(&World) -> Result<()>) -> Result<()> {
    let turn = Turn::take()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut world = World::new(turn, kind).await?;
        let mut outcome = timeout(SCENARIO, act(&world)).await.context("the scenario takes too long");
        if let Ok(Ok(())) = outcome {
            outcome =
                Ok(timeout(BIG_STEP, world.judge()).await.context("the judgement takes too long").and_then(|o| o));
        }
        let outcome = outcome.and_then(|o| o);
        if outcome.is_err() && timeout(STEP, world.remember(name)).await.is_err() {
            eprintln!("the browsers do not answer any more");
        }
        outcome.with_context(|| format!("scenario {name}"))
    })
}

impl World {
    async fn new(turn: Turn, kind: Kind) -> Result<Self> {
        let binary = std::env::var_os("PASTEUR_BIN").map(PathBuf::from).context(
            "PASTEUR_BIN does not name the binary `pasteur` with the site in it; `cargo xtask test` builds it and sets it",
        )?;
        let folder = TempDir::new_in(turn.folder())?;
        let store = folder.path().join("store.redb");
        let options = ["--max-paste", "1GiB", "--quota", "4GiB"];
        let server = match kind {
            Kind::Host => Server::start(&binary, &store, &options).await?,
            Kind::Machine => Server::start_machine(&binary, &store, &options).await?,
        };
        fs::create_dir(folder.path().join("home"))?;
        Ok(Self { browsers: RefCell::default(), server, folder, binary, secrets: RefCell::default(), _turn: turn })
    }

    /// A folder for the scenario's own files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder where pictures stay after the tests.
    #[must_use]
    pub fn pictures(&self) -> PathBuf {
        artifacts().join("pictures")
    }

    /// A new browser, with nothing remembered.
    ///
    /// # Errors
    /// Chromium or chromedriver is missing or broken.
    pub async fn browser(&self) -> Result<Rc<Browser>> {
        let browser = Rc::new(Browser::start_trusting(self.folder(), self.server.pin()).await?);
        self.browsers.borrow_mut().push(Rc::clone(&browser));
        Ok(browser)
    }

    /// A call of the command line, to this world's server.
    #[must_use]
    pub fn pasteur(&self, arguments: &[&str]) -> Program {
        self.pasteur_at(&self.server.origin(), arguments)
    }

    /// A call of the command line, to a server at this address.
    #[must_use]
    pub fn pasteur_at(&self, origin: &str, arguments: &[&str]) -> Program {
        let program = Program::new(&self.binary, self.folder().join("home"), origin.to_owned());
        match self.server.certificate() {
            Some(certificate) => program.trusting(certificate),
            None => program,
        }
        .args(arguments)
    }

    /// A wire to the server that can be cut.
    ///
    /// # Errors
    /// No socket could be opened.
    pub async fn wire(&self) -> Result<Wire> {
        Wire::to(self.server.scheme(), self.server.address()).await
    }

    /// Another server on this machine, over a store of its own, with other options.
    ///
    /// # Errors
    /// It did not start.
    pub async fn another_server(&self, options: &[&str]) -> Result<Server> {
        Server::start(&self.binary, &self.folder().join("another.redb"), options).await
    }

    /// A secret: neither a request's head, nor the server's store or log may hold it. It is looked for as it is, so it
    /// should be long enough not to turn up by chance.
    pub fn secret(&self, secret: impl Into<Vec<u8>>) {
        self.secrets.borrow_mut().push(secret.into());
    }

    /// A link's fragment is a secret; gives the id.
    ///
    /// # Errors
    /// It is no link to a paste.
    pub fn link(&self, link: &str) -> Result<String> {
        let (base, fragment) = link.split_once('#').context("a link without a secret")?;
        ensure!(fragment.len() == 49 && fragment.starts_with('1'), "the link's fragment is not version 1's");
        self.secret(fragment);
        // The version and the check apart: the secret itself must not turn up either.
        self.secret(&fragment[1..41]);
        let id = base.rsplit('/').next().unwrap_or_default();
        ensure!(id.len() == 12, "the link's id is not 12 characters long: {id}");
        Ok(id.to_owned())
    }

    /// What must never happen did not.
    async fn judge(&mut self) -> Result<()> {
        let mut faults = Vec::new();
        let (browsers, secrets) = (self.browsers.take(), self.secrets.take());
        for (n, browser) in browsers.iter().enumerate() {
            let found = browser.faults(&secrets).await?;
            faults.extend(found.into_iter().map(|fault| format!("browser {n} {fault}")));
        }
        drop(browsers);
        self.server.stop().await?;
        let log = self.server.log();
        for (n, secret) in secrets.iter().enumerate() {
            let shown = String::from_utf8_lossy(&secret[..secret.len().min(24)]);
            if memmem::find(log.as_bytes(), secret).is_some() {
                faults.push(format!("secret {n} ({shown}...) is in the server's log"));
            }
            if holds(self.server.store(), secret)? {
                faults.push(format!("secret {n} ({shown}...) is in the store's file"));
            }
        }
        if !faults.is_empty() {
            bail!("the scenario passed, but:\n  {}\nthe server's log:\n{log}", faults.join("\n  "));
        }
        Ok(())
    }

    /// Leaves what helps to understand a failure.
    async fn remember(&self, name: &str) {
        let browsers = self.browsers.borrow().clone();
        for (n, browser) in browsers.iter().enumerate() {
            let path = artifacts().join(format!("failed/{}-{n}.png", name.replace("::", "-")));
            if let Err(error) = browser.picture(&path).await {
                eprintln!("no picture of browser {n}: {error:#}");
            }
            for fault in browser.faults(&[]).await.unwrap_or_default() {
                eprintln!("browser {n} {fault}");
            }
        }
        eprintln!("the server's log:\n{}", self.server.log());
    }
}

/// Whether a file holds these bytes; read in pieces that overlap.
fn holds(path: &Path, bytes: &[u8]) -> Result<bool> {
    ensure!(!bytes.is_empty(), "an empty secret is everywhere");
    let finder = memmem::Finder::new(bytes);
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut window = Vec::new();
    loop {
        window.drain(..window.len().saturating_sub(bytes.len() - 1));
        let read = file.by_ref().take(4 << 20).read_to_end(&mut window)?;
        if finder.find(&window).is_some() {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_across_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = vec![b'x'; 9 << 20];
        bytes[(4 << 20) - 3..(4 << 20) + 3].copy_from_slice(b"secret");
        let path = crate::write_file(folder.path(), "store", bytes).unwrap();
        assert!(holds(&path, b"secret").unwrap());
        assert!(!holds(&path, b"secreT").unwrap());
    }
}
