//! One Chromium with a profile of its own.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::control::Control;
use crate::elsewhere::Elsewhere;
use crate::watch::{Request, Watch};
use crate::webdriver::{ELEMENT, WebDriver};
use crate::{STEP, process};

/// How often a state that is waited for is looked at.
const POLL: Duration = Duration::from_millis(50);

/// How many looks in a row have to find a download empty, with nothing being written, for it to be an empty file.
const EMPTY: u32 = 20;

/// A page's colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// A browser with one tab.
pub struct Browser {
    pub(crate) driver: WebDriver,
    elsewhere: Elsewhere,
    folder: TempDir,
    pub(crate) watch: RefCell<Watch>,
}

impl Browser {
    /// Starts one that keeps everything in a folder below `under`, and is gone when dropped.
    ///
    /// # Errors
    /// Chromium or chromedriver is missing or broken.
    pub async fn start(under: &Path) -> Result<Self> {
        Self::start_trusting(under, None).await
    }

    /// One that believes the certificate of the public key with this hash, whoever signed it.
    pub(crate) async fn start_trusting(under: &Path, pin: Option<&str>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("chromium-").tempdir_in(under)?;
        let (profile, downloads) = (folder.path().join("profile"), folder.path().join("downloads"));
        fs::create_dir(&downloads)?;
        let elsewhere = Elsewhere::start().await?;
        let mut args = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--window-size=1280,900".to_owned(),
            // Its end of the pipe is closed when chromedriver ends, however that comes about, and Chromium ends as well.
            "--remote-debugging-pipe".to_owned(),
            // A name of this machine that a browser has no reason to trust as it trusts 127.0.0.1.
            "--host-resolver-rules=MAP insecure.test 127.0.0.1".to_owned(),
            "--proxy-bypass-list=insecure.test".to_owned(),
            format!("--proxy-server={}", elsewhere.address),
        ];
        args.extend(pin.map(|pin| format!("--ignore-certificate-errors-spki-list={pin}")));
        let preferences = json!({
            "download.default_directory": downloads,
            "download.prompt_for_download": false,
            // Debian's Chromium would open a search engine's page beside the test's.
            "homepage": "about:blank",
            "homepage_is_newtabpage": false,
            "session.restore_on_startup": 4,
            "session.startup_urls": ["about:blank"],
            // "Save all" downloads several files by one press.
            "profile.default_content_setting_values.automatic_downloads": 1,
        });
        let driver = WebDriver::start(&profile, &args, preferences, &folder.path().join("chromedriver.log")).await?;
        let browser = Self { driver, elsewhere, folder, watch: RefCell::new(Watch::default()) };
        browser
            .driver
            .cdp("Browser.setDownloadBehavior", json!({"behavior": "allow", "downloadPath": browser.downloads()}))
            .await?;
        let permissions = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
        browser.driver.cdp("Browser.grantPermissions", permissions).await?;
        // With several browsers on one screen, each is to be the one that its user looks at.
        browser.driver.cdp("Emulation.setFocusEmulationEnabled", json!({"enabled": true})).await?;
        // Every violation of a policy ends in the console's log, also one that is only reported.
        let listener = "addEventListener('securitypolicyviolation', e => \
                        console.error(`policy violated: ${e.effectiveDirective} by ${e.blockedURI}`))";
        browser.driver.cdp("Page.addScriptToEvaluateOnNewDocument", json!({"source": listener})).await?;
        Ok(browser)
    }

    /// Goes to an address, and allows its host to be asked by the pages.
    ///
    /// # Errors
    /// The page did not load.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.watch.borrow_mut().allow(url);
        // To another fragment of the same page alone would load nothing.
        self.driver.post("/url", json!({"url": "about:blank"})).await?;
        // The link's secret stays out of the error.
        let shown = url.split('#').next().unwrap_or_default();
        self.driver.post("/url", json!({"url": url})).await.map(drop).with_context(|| format!("opening {shown}"))
    }

    /// Where it is now, with the fragment.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn url(&self) -> Result<String> {
        Ok(self.driver.ask("/url").await?.as_str().unwrap_or_default().to_owned())
    }

    /// Evaluates an expression in the page, as its user's act; a promise is waited for. Policies do not bind it.
    ///
    /// # Errors
    /// It threw.
    pub async fn evaluate(&self, expression: &str) -> Result<Value> {
        let parameters = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let answer = self.driver.cdp("Runtime.evaluate", parameters).await?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            let text = thrown.pointer("/exception/description").unwrap_or(&thrown["text"]);
            bail!("the page threw {text}");
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Whether an alert says something now.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn alert(&self) -> Result<Option<String>> {
        for alert in self.find_all("alert", None).await? {
            let text = alert.text().await?;
            if !text.trim().is_empty() {
                return Ok(Some(text.trim().to_owned()));
            }
        }
        Ok(None)
    }

    /// The controls with this role and, if given, this accessible name that are to be perceived now.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn find_all(&self, role: &str, name: Option<&str>) -> Result<Vec<Control<'_>>> {
        let root = self.driver.cdp("DOM.getDocument", json!({"depth": 0})).await?["root"]["nodeId"].take();
        // Not by the query's own `accessibleName`: it never matches a file input, whose name it puts together otherwise.
        let query = json!({"nodeId": root, "role": role});
        let answer = self.driver.cdp("Accessibility.queryAXTree", query).await?;
        let mut found = Vec::new();
        for node in answer["nodes"].as_array().into_iter().flatten() {
            let its_name = node["name"]["value"].as_str().unwrap_or_default().trim();
            if node["ignored"] == false && name.is_none_or(|wanted| wanted == its_name) {
                found.push(self.control(&node["backendDOMNodeId"], role, its_name).await?);
            }
        }
        Ok(found)
    }

    /// Waits for the one control with this role and name.
    ///
    /// # Errors
    /// There is none within [`STEP`], or there are several.
    pub async fn find(&self, role: &str, name: &str) -> Result<Control<'_>> {
        self.find_within(STEP, role, name).await
    }

    /// [`Browser::find`] with a time limit of one's own.
    ///
    /// # Errors
    /// As there.
    pub async fn find_within(&self, limit: Duration, role: &str, name: &str) -> Result<Control<'_>> {
        let what = format!("a {role} \"{name}\"");
        self.until(limit, &what, async || {
            let mut found = self.find_all(role, Some(name)).await?;
            ensure!(found.len() < 2, "there are {} of {what}", found.len());
            Ok(found.pop())
        })
        .await
    }

    /// Whether there is such a control now.
    ///
    /// # Errors
    /// The page is gone.
    pub async fn has(&self, role: &str, name: &str) -> Result<bool> {
        Ok(!self.find_all(role, Some(name)).await?.is_empty())
    }

    /// Presses a button or follows a link, once it can be pressed.
    ///
    /// # Errors
    /// It could not within [`STEP`].
    pub async fn press(&self, role: &str, name: &str) -> Result<()> {
        self.until(STEP, &format!("{role} \"{name}\" to be pressed"), async || {
            let control = self.find(role, name).await?;
            if !control.is_enabled().await? {
                return Ok(None);
            }
            Ok(Some(control.click().await?))
        })
        .await
    }

    /// Waits until something with this role says something, and gives what.
    ///
    /// # Errors
    /// Nothing is said within [`STEP`].
    pub async fn said(&self, role: &str) -> Result<String> {
        self.said_within(STEP, role, |text| !text.is_empty()).await
    }

    /// Waits until something with this role says what is wanted, and gives it.
    ///
    /// # Errors
    /// It is not said within the limit.
    pub async fn said_within(&self, limit: Duration, role: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        self.until(limit, &format!("what a {role} has to say"), async || {
            for control in self.find_all(role, None).await? {
                let text = control.text().await?;
                if wanted(text.trim()) {
                    return Ok(Some(text.trim().to_owned()));
                }
            }
            Ok(None)
        })
        .await
    }

    /// Waits for a condition that tells what it found. A page that changes under the question is asked again.
    ///
    /// # Errors
    /// It is not met within the limit; the last error and what the page says are told.
    pub async fn until<T>(
        &self,
        limit: Duration,
        what: &str,
        mut condition: impl AsyncFnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            let last = match condition().await {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => None,
                Err(error) => Some(error),
            };
            if Instant::now() >= deadline {
                let page = self.evaluate("document.body.innerText").await.unwrap_or_default();
                let page = page.as_str().unwrap_or_default().chars().take(1000).collect::<String>();
                let last = last.map_or_else(String::new, |e| format!("; last error: {e:#}"));
                bail!("waited {} s for {what}{last}; the page says: {page:?}", limit.as_secs());
            }
            sleep(POLL).await;
        }
    }

    /// Waits for a finished download of this name.
    ///
    /// # Errors
    /// It is not there within the limit; what is there is told.
    pub async fn downloaded(&self, name: &str, limit: Duration) -> Result<PathBuf> {
        let deadline = Instant::now() + limit;
        let path = self.downloads().join(name);
        let mut empty = 0;
        loop {
            let mut names = Vec::new();
            for entry in fs::read_dir(self.downloads())? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            // Chromium holds the name with an empty file, writes to another, and renames that when all is there.
            let writing = names.iter().any(|n| n.ends_with(".crdownload"));
            match fs::metadata(&path) {
                Ok(file) if !writing && file.len() > 0 => return Ok(path),
                Ok(_) if !writing && empty >= EMPTY => return Ok(path),
                Ok(_) if !writing => empty += 1,
                _ => empty = 0,
            }
            if Instant::now() >= deadline {
                let said = self.evaluate("document.body.innerText").await.unwrap_or_default();
                bail!(
                    "no finished download \"{name}\" within {} s, only {names:?}; the page says {said}",
                    limit.as_secs()
                );
            }
            sleep(POLL).await;
        }
    }

    /// The folder downloads go to.
    #[must_use]
    pub fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }

    /// What is in the clipboard.
    ///
    /// # Errors
    /// It holds no text.
    pub async fn clipboard(&self) -> Result<String> {
        let text = self.evaluate("navigator.clipboard.readText()").await?;
        Ok(text.as_str().context("the clipboard holds no text")?.to_owned())
    }

    /// Sets the size of the window's inside and the preferred colours.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn look(&self, width: u32, scheme: Scheme) -> Result<()> {
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.driver.cdp("Emulation.setDeviceMetricsOverride", metrics).await?;
        let value = if scheme == Scheme::Dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.driver.cdp("Emulation.setEmulatedMedia", media).await.map(drop)
    }

    /// Lets pages of this origin keep so many bytes from now on.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn room(&self, origin: &str, bytes: u64) -> Result<()> {
        let parameters = json!({"origin": origin, "quotaSize": bytes});
        self.driver.cdp("Storage.overrideQuotaForOrigin", parameters).await.map(drop)
    }

    /// Whether the page would have its user asked before it is left.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn asks_before_it_is_left(&self) -> Result<bool> {
        let asked = "(() => { const e = new Event('beforeunload', {cancelable: true}); \
                     window.dispatchEvent(e); return e.defaultPrevented })()";
        Ok(self.evaluate(asked).await? == true)
    }

    /// Goes back by one page.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn back(&self) -> Result<()> {
        self.driver.post("/back", json!({})).await.map(drop)
    }

    /// Loads the page again.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn reload(&self) -> Result<()> {
        self.driver.post("/refresh", json!({})).await.map(drop)
    }

    /// Whether the scripts of all pages opened from now on run.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn scripts(&self, run: bool) -> Result<()> {
        self.driver.cdp("Emulation.setScriptExecutionDisabled", json!({"value": !run})).await.map(drop)
    }

    /// All the text that a screen reader finds on the page; without running a script there.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn readable(&self) -> Result<String> {
        let tree = self.driver.cdp("Accessibility.getFullAXTree", json!({})).await?;
        let nodes = tree["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let texts = nodes.iter().filter(|n| n["ignored"] == false && n["role"]["value"] == "StaticText");
        Ok(texts.filter_map(|n| n["name"]["value"].as_str()).collect::<Vec<_>>().join("\n"))
    }

    /// Saves a picture of the whole page.
    ///
    /// # Errors
    /// It could not be taken or written.
    pub async fn picture(&self, path: &Path) -> Result<()> {
        let metrics = self.driver.cdp("Page.getLayoutMetrics", json!({})).await?;
        let size = &metrics["cssContentSize"];
        let clip = json!({"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1});
        let parameters = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let answer = self.driver.cdp("Page.captureScreenshot", parameters).await?;
        let data = answer["data"].as_str().context("no picture")?;
        let bytes = Base64::decode_vec(data).map_err(|e| anyhow::anyhow!("the picture is not base64: {e}"))?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
    }

    /// The most memory that any process rendering pages has ever had, in bytes.
    ///
    /// # Errors
    /// There is none.
    pub fn peak_memory(&self) -> Result<u64> {
        let renderers = process::renderers(&self.folder.path().join("profile"))?;
        // One may have ended since.
        renderers.into_iter().filter_map(|pid| process::peak_memory(pid).ok()).max().context("nothing renders pages")
    }

    /// The requests its pages have made so far.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn requests(&self) -> Result<Vec<Request>> {
        self.read_logs().await?;
        Ok(self.watch.borrow().requests.clone())
    }

    /// Allows console lines that contain this: for a failure that the scenario causes on purpose, and that Chromium
    /// itself writes there.
    pub fn forgive(&self, text: &str) {
        self.watch.borrow_mut().forgiven.push(text.to_owned());
    }

    /// Everything wrong that was seen since the start; `secrets` must be in no request.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn faults(&self, secrets: &[Vec<u8>]) -> Result<Vec<String>> {
        self.read_logs().await?;
        let mut faults = self.watch.borrow().faults(secrets);
        faults.extend(self.elsewhere.asked().into_iter().map(|line| format!("asked another host: {line}")));
        let cookies = self.driver.cdp("Storage.getCookies", json!({})).await?;
        faults.extend(cookies["cookies"].as_array().into_iter().flatten().map(|c| format!("set a cookie: {c}")));
        Ok(faults)
    }

    async fn read_logs(&self) -> Result<()> {
        for kind in ["browser", "performance"] {
            let entries = self.driver.post("/se/log", json!({"type": kind})).await?;
            let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
            let mut watch = self.watch.borrow_mut();
            entries
                .iter()
                .for_each(|entry| if kind == "browser" { watch.console(entry) } else { watch.network(entry) });
        }
        Ok(())
    }

    /// A node of the accessibility tree as an element for WebDriver.
    async fn control(&self, backend_node: &Value, role: &str, name: &str) -> Result<Control<'_>> {
        let object = self.driver.cdp("DOM.resolveNode", json!({"backendNodeId": backend_node})).await?;
        let object = object["object"]["objectId"].clone();
        let keep = json!({"objectId": object, "functionDeclaration": "function () { globalThis.e2eFound = this; }"});
        self.driver.cdp("Runtime.callFunctionOn", keep).await?;
        let script = "const found = globalThis.e2eFound; delete globalThis.e2eFound; return found;";
        let element = self.driver.post("/execute/sync", json!({"script": script, "args": []})).await?;
        let id = element[ELEMENT].as_str().context("the accessible node is no element")?;
        Ok(Control::new(self, id, format!("{role} \"{name}\"")))
    }
}
