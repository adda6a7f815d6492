//! The command line: `pasteur put`, `get`, `rm`, `info`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::BIG_STEP;

/// A call of the binary, in a home of its own.
pub struct Program {
    command: Command,
    shown: Vec<OsString>,
    input: Vec<u8>,
}

/// How a call ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub output: Vec<u8>,
    /// Standard error.
    pub errors: String,
    shown: Vec<OsString>,
}

impl Program {
    pub(crate) fn new(binary: &Path, home: PathBuf, server: String) -> Self {
        let mut command = Command::new(binary);
        command
            .env("HOME", &home)
            .env("XDG_STATE_HOME", home.join("state"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_DATA_HOME", home.join("data"))
            .env("PASTEUR_SERVER", server)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self { command, shown: Vec::new(), input: Vec::new() }
    }

    /// Has it believe this certificate.
    pub(crate) fn trusting(mut self, certificate: &Path) -> Self {
        self.command.env("SSL_CERT_FILE", certificate);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(&argument);
        self.shown.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(self, arguments: &[&str]) -> Self {
        arguments.iter().fold(self, Self::arg)
    }

    /// What it reads from its standard input; nothing by default.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// It could not be started, or did not end in time.
    pub async fn run(mut self) -> Result<Ran> {
        let mut child = self.command.spawn().context("starting pasteur")?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        let feed = async {
            // A program that does not want its input closes it.
            let _ = stdin.write_all(&self.input).await;
            drop(stdin);
        };
        let (ended, ()) = timeout(BIG_STEP, async { tokio::join!(child.wait_with_output(), feed) })
            .await
            .with_context(|| format!("pasteur {:?} does not end", self.shown))?;
        let ended = ended?;
        Ok(Ran {
            code: ended.status.code().unwrap_or(-1),
            output: ended.stdout,
            errors: String::from_utf8_lossy(&ended.stderr).into_owned(),
            shown: self.shown,
        })
    }
}

impl Ran {
    /// Checks that it ended well.
    ///
    /// # Errors
    /// It did not; what it wrote is told.
    pub fn well(self) -> Result<Self> {
        ensure!(self.code == 0, "pasteur {:?} ended with {}: {}", self.shown, self.code, self.errors);
        Ok(self)
    }

    /// The link that `put` writes last.
    ///
    /// # Errors
    /// There is none.
    pub fn link(&self) -> Result<String> {
        let output = std::str::from_utf8(&self.output)?;
        let last = output.lines().last().context("put wrote nothing")?;
        ensure!(last.starts_with("http") && last.contains('#'), "put's last line is no link: {last}");
        Ok(last.to_owned())
    }
}
