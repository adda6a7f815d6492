//! The real `pasteur serve`, or the same server as a machine of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hyper::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::http::{self, Response};
use crate::trust::Trust;
use crate::{STEP, process};

/// What a server runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// This machine: `pasteur serve`, by plain HTTP.
    Host,
    /// A machine of its own, in QEMU: the unikernel, by TLS.
    Machine,
}

/// A server with a store of its own. It is killed when dropped.
pub struct Server {
    child: Child,
    address: SocketAddr,
    store: PathBuf,
    log: Arc<Mutex<String>>,
    machine: Option<Machine>,
}

/// What a machine has beside that.
struct Machine {
    trust: Trust,
    admin: SocketAddr,
}

impl Server {
    /// Starts one on a free port of the loopback address and waits until it answers.
    ///
    /// # Errors
    /// It did not start; what it wrote is told.
    pub async fn start(binary: &Path, store: &Path, more: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--store"]).arg(store).args(more);
        Self::listening(command, store, None).await
    }

    /// Starts a machine of the image that `PASTEUR_UNIKERNEL` names, with its store on a disk, as `pasteur unikernel run` does.
    pub(crate) async fn start_machine(binary: &Path, store: &Path, more: &[&str]) -> Result<Self> {
        let image = std::env::var_os("PASTEUR_UNIKERNEL").context(
            "PASTEUR_UNIKERNEL does not name the unikernel's image; `cargo xtask test` builds it and sets it",
        )?;
        let trust = Trust::new(store.parent().context("the store is in no folder")?)?;
        let (public, admin) = (free_port()?, free_port()?);
        let mut command = Command::new(binary);
        command.args(["unikernel", "run", "--accelerator", "tcg", "--disk-size", "256MiB", "--disk"]);
        command.arg(format!("store={}", store.display())).arg("--tls-cert").arg(&trust.certificate);
        command.arg("--tls-key").arg(&trust.key).args(["--publish", &format!("{public}:443")]);
        command.args(["--publish", &format!("{admin}:9000")]).arg(image);
        command.args(["--", "--admin-listen", "[::]:9000"]).args(more);
        let admin = (Ipv4Addr::LOCALHOST, admin).into();
        Self::listening(command, store, Some(Machine { trust, admin })).await
    }

    async fn listening(mut command: Command, store: &Path, machine: Option<Machine>) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let log = Arc::new(Mutex::new(String::new()));
        let (found, mut address) = watch::channel(None);
        let found = Arc::new(found);
        if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
            tokio::spawn(follow(out, Arc::clone(&log), Arc::clone(&found)));
            tokio::spawn(follow(err, Arc::clone(&log), found));
        }
        let listening = async { anyhow::Ok(*address.wait_for(Option::is_some).await?) };
        let read_log = || log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let address = match timeout(STEP, listening).await {
            Ok(Ok(Some(address))) => address,
            _ => bail!("the server named no address: {}", read_log()),
        };
        Ok(Self { child, address, store: store.to_owned(), log, machine })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address for browsers and the command line.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme(), self.address)
    }

    /// How its address begins.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.machine.is_some() { "https" } else { "http" }
    }

    /// The file of the certificate that it shows.
    pub(crate) fn certificate(&self) -> Option<&Path> {
        self.machine.as_ref().map(|machine| &*machine.trust.certificate)
    }

    /// The hash of its public key.
    pub(crate) fn pin(&self) -> Option<&str> {
        self.machine.as_ref().map(|machine| &*machine.trust.pin)
    }

    /// Its store's file.
    #[must_use]
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Everything it has written to its standard output and error.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The most memory it ever had, in bytes.
    ///
    /// # Errors
    /// It has ended.
    pub fn peak_memory(&self) -> Result<u64> {
        process::peak_memory(self.child.id().context("the server has ended")?)
    }

    /// A request as a crawler or a mail scanner makes it.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn get(&self, path: &str) -> Result<Response> {
        self.ask(Method::GET, path, &[]).await
    }

    /// The same with any method and more header fields.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
        match &self.machine {
            Some(machine) => {
                let stream = machine.trust.connect(self.address).await?;
                http::request_by(stream, self.address, method, path, headers, Vec::new()).await
            }
            None => http::request(self.address, method, path, headers, Vec::new()).await,
        }
    }

    /// What the server tells anybody of a paste.
    ///
    /// # Errors
    /// There was no answer, or not 200.
    pub async fn info(&self, id: &str) -> Result<Value> {
        let answer = self.get(&format!("/api/v1/pastes/{id}")).await?;
        ensure!(answer.status == 200, "the paste's information was answered by {}", answer.status);
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Asks it to stop, as a service manager or an operator does, and checks that it ends well within [`STEP`].
    ///
    /// # Errors
    /// It did not.
    pub async fn stop(&mut self) -> Result<()> {
        let pid = self.child.id().context("the server ended by itself")?;
        match &self.machine {
            Some(machine) => {
                let answer = http::request(machine.admin, Method::POST, "/stop", &[], Vec::new()).await?;
                ensure!(answer.status == 202, "/stop was answered by {}", answer.status);
            }
            None => kill_process(Pid::from_raw(i32::try_from(pid)?).context("no process")?, Signal::TERM)?,
        }
        let status = timeout(STEP + Duration::from_secs(30), self.child.wait()).await.context("it does not stop")??;
        ensure!(status.success(), "the server ended with {status}: {}", self.log());
        Ok(())
    }
}

/// A port that is free now.
fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Keeps what a stream says, and passes the first address of this machine on.
async fn follow(
    stream: impl AsyncRead + Unpin,
    log: Arc<Mutex<String>>,
    found: Arc<watch::Sender<Option<SocketAddr>>>,
) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if found.borrow().is_none()
            && let Some((_, rest)) = line.split_once("listening on http")
            && let Some((_, rest)) = rest.split_once("://")
            && let Ok(address) = rest.trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<SocketAddr>()
            && address.ip().is_loopback()
        {
            let _ = found.send(Some(address));
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}
