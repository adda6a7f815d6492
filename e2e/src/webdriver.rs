//! A thin WebDriver client (W3C WebDriver 2, with chromedriver's `goog/cdp/execute` and `se/log`).

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::{BIG_STEP, STEP, http, process};

/// The key under which WebDriver hands out an element (section 12.1 of the standard).
pub(crate) const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How long a single command may take; a script in the page may use nearly all of it.
const COMMAND: Duration = BIG_STEP.saturating_add(STEP);

/// A chromedriver of one's own with one session. Both end when it is dropped.
pub(crate) struct WebDriver {
    address: SocketAddr,
    session: String,
    browser: Option<Pid>,
    profile: PathBuf,
    // Killed on drop.
    _process: Child,
    _scratch: TempDir,
}

impl WebDriver {
    /// Starts chromedriver on a free port and a Chromium with these arguments, preferences and profile.
    /// What they write about themselves goes to `log`.
    pub(crate) async fn start(profile: &Path, args: &[String], preferences: Value, log: &Path) -> Result<Self> {
        // What they keep for themselves goes with them. In a folder of the system's, for a socket is in it, whose path has
        // to be shorter than a checkout's may be.
        let scratch = tempfile::Builder::new().prefix("pasteur-e2e-").tempdir()?;
        let (process, address) = start_chromedriver(log, scratch.path()).await?;
        let mut driver = Self {
            address,
            session: String::new(),
            browser: None,
            profile: profile.to_owned(),
            _process: process,
            _scratch: scratch,
        };
        let args: Vec<String> =
            args.iter().cloned().chain([format!("--user-data-dir={}", profile.display())]).collect();
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "timeouts": {"script": BIG_STEP.as_millis() as u64, "pageLoad": 2 * STEP.as_millis() as u64},
            "unhandledPromptBehavior": "ignore",
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {
                "args": args,
                "prefs": preferences,
                "perfLoggingPrefs": {"enableNetwork": true, "enablePage": false},
                "binary": program("CHROMIUM", "chromium")?,
            },
        }}});
        let session = driver.send(Method::POST, "/session", Some(capabilities)).await.context("starting Chromium")?;
        driver.session = session["sessionId"].as_str().context("chromedriver gave no session")?.to_owned();
        // A Chromium whose chromedriver is killed would live on.
        let pid = session["capabilities"]["goog:processID"].as_i64().context("chromedriver gave no process")?;
        driver.browser = Pid::from_raw(i32::try_from(pid)?);
        Ok(driver)
    }

    /// A command of this session; `path` follows `/session/ID`.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.send(Method::POST, &format!("/session/{}{path}", self.session), Some(body)).await
    }

    /// A question of this session; `path` follows `/session/ID`.
    pub(crate) async fn ask(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, &format!("/session/{}{path}", self.session), None).await
    }

    /// A command of the DevTools protocol.
    pub(crate) async fn cdp(&self, command: &str, parameters: Value) -> Result<Value> {
        self.post("/goog/cdp/execute", json!({"cmd": command, "params": parameters}))
            .await
            .with_context(|| format!("DevTools command {command}"))
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let body = body.map_or_else(Vec::new, |b| b.to_string().into_bytes());
        let json = [("content-type", "application/json")];
        let answer = http::request(self.address, method, path, &json, body);
        let answer = timeout(COMMAND, answer).await.context("chromedriver does not answer")??;
        let mut document: Value = serde_json::from_slice(&answer.body).context("chromedriver's answer is not JSON")?;
        let value = document["value"].take();
        if !answer.status.is_success() {
            let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
            bail!("{}: {}", text("error"), text("message"));
        }
        Ok(value)
    }
}

impl Drop for WebDriver {
    fn drop(&mut self) {
        let Some(pid) = self.browser else { return };
        let _ = kill_process(pid, Signal::KILL);
        // Its profile cannot be removed before it and its helpers are gone. Whether they are reaped does not matter:
        // chromedriver takes its time for that.
        for _ in 0..500 {
            if process::browsing_in(&self.profile).is_ok_and(|left| left.is_empty()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

async fn start_chromedriver(log: &Path, scratch: &Path) -> Result<(Child, SocketAddr)> {
    let mut process = Command::new(program("CHROMEDRIVER", "chromedriver")?)
        .arg("--port=0")
        .arg(format!("--log-path={}", log.display()))
        // The settings of the machine's user are none of the tests' business.
        .env("HOME", scratch)
        .env("TMPDIR", scratch)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_CACHE_HOME")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting chromedriver")?;
    let output = process.stdout.take().context("chromedriver has no standard output")?;
    let mut lines = BufReader::new(output).lines();
    let port = timeout(Duration::from_secs(60), async {
        while let Some(line) = lines.next_line().await? {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                return Ok(port.trim_end_matches('.').parse::<u16>()?);
            }
        }
        bail!("chromedriver ended without naming its port")
    })
    .await
    .context("chromedriver named no port within 60 s")??;
    // The pipe is emptied for as long as chromedriver runs, or it would block on it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((process, (Ipv4Addr::LOCALHOST, port).into()))
}

/// The path of a program: from the environment, or searched for.
fn program(variable: &str, name: &str) -> Result<String> {
    if let Ok(path) = std::env::var(variable) {
        return Ok(path);
    }
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| Path::new(file).is_file())
    });
    let found = found.as_deref().map(Path::as_os_str).and_then(OsStr::to_str).map(str::to_owned);
    found.with_context(|| {
        format!(
            "`{name}` is not installed: `cargo xtask test` installs it (Debian: apt-get install chromium \
             chromium-driver), {variable} names another, and `cargo xtask test --without chromium` leaves these tests out"
        )
    })
}
