//! The real `pasteur serve`.

use std::net::SocketAddr;
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
use crate::{STEP, process};

/// A server with a store of its own. It is killed when dropped.
pub struct Server {
    child: Child,
    address: SocketAddr,
    store: PathBuf,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts one on a free port of the loopback address and waits until it answers.
    ///
    /// # Errors
    /// It did not start; what it wrote is told.
    pub async fn start(binary: &Path, store: &Path, more: &[&str]) -> Result<Self> {
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(store)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
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
            _ => bail!("`pasteur serve` named no address: {}", read_log()),
        };
        Ok(Self { child, address, store: store.to_owned(), log })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address for browsers and the command line.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
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
        http::request(self.address, Method::GET, path, &[], Vec::new()).await
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

    /// Asks it to stop, as a service manager does, and checks that it ends well within [`STEP`].
    ///
    /// # Errors
    /// It did not.
    pub async fn stop(&mut self) -> Result<()> {
        let pid = self.child.id().context("the server ended by itself")?;
        let pid = Pid::from_raw(i32::try_from(pid)?).context("no process")?;
        kill_process(pid, Signal::TERM)?;
        let status = timeout(STEP + Duration::from_secs(30), self.child.wait()).await.context("it does not stop")??;
        ensure!(status.success(), "the server ended with {status}: {}", self.log());
        Ok(())
    }
}

/// Keeps what a stream says, and passes the first address on.
async fn follow(
    stream: impl AsyncRead + Unpin,
    log: Arc<Mutex<String>>,
    found: Arc<watch::Sender<Option<SocketAddr>>>,
) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if found.borrow().is_none()
            && let Some((_, rest)) = line.split_once("listening on http://")
            && let Ok(address) = rest.trim_end_matches(|c: char| !c.is_ascii_digit()).parse()
        {
            let _ = found.send(Some(address));
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}
