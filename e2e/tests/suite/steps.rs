//! What users do, in their words: the steps that scenarios share.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Browser, STEP, World};

/// What Chromium writes to its console where a right password is proven on a paste that burns: the server answers that
/// it has to be claimed first.
pub(crate) const CLAIM_FIRST: &str = "the server responded with a status of 409";

/// The same for a wrong password or a wrong link's secret.
pub(crate) const WRONG_TOKEN: &str = "the server responded with a status of 403";

/// What somebody wants to share.
#[derive(Clone, Copy, Default)]
pub(crate) struct Draft<'a> {
    /// Typed into "Paste".
    pub(crate) text: &'a str,
    /// Chosen at "Files".
    pub(crate) files: &'a [&'a Path],
    /// Chosen at "Expires".
    pub(crate) expires: Option<&'a str>,
    /// Checks "Burn after reading".
    pub(crate) burn: bool,
    /// Typed into "Password".
    pub(crate) password: Option<&'a str>,
}

impl Draft<'_> {
    /// Fills the create page in.
    pub(crate) async fn fill_in(&self, browser: &Browser, origin: &str) -> Result<()> {
        browser.open(origin).await?;
        browser.find("button", "Create link").await?;
        if !self.text.is_empty() {
            let paste = browser.find("textbox", "Paste").await?;
            if self.text.len() < 10_000 { paste.insert(self.text).await? } else { paste.paste(self.text).await? }
        }
        if !self.files.is_empty() {
            browser.find("button", "Files").await?.choose_files(self.files).await?;
        }
        if let Some(expires) = self.expires {
            browser.find("combobox", "Expires").await?.choose(expires).await?;
        }
        if self.burn {
            browser.find("checkbox", "Burn after reading").await?.click().await?;
        }
        if let Some(password) = self.password {
            browser.find("textbox", "Password").await?.type_in(password).await?;
        }
        Ok(())
    }

    /// Creates the paste at this origin and gives its link. All of it is a secret from then on.
    pub(crate) async fn create_at(&self, world: &World, browser: &Browser, origin: &str) -> Result<String> {
        self.fill_in(browser, origin).await?;
        self.keep_secret(world);
        browser.press("button", "Create link").await?;
        link(world, browser, STEP).await
    }

    /// Creates it at the world's server.
    pub(crate) async fn create(&self, world: &World, browser: &Browser) -> Result<String> {
        self.create_at(world, browser, &world.server.origin()).await
    }

    fn keep_secret(&self, world: &World) {
        // A text of a few bytes turns up in any file by chance.
        if self.text.len() >= 8 {
            world.secret(&self.text.as_bytes()[..self.text.len().min(64)]);
        }
        for name in self.files.iter().filter_map(|f| f.file_name()) {
            world.secret(name.as_encoded_bytes());
        }
        if let Some(password) = self.password {
            world.secret(password);
        }
    }
}

/// Waits for the link and gives it.
pub(crate) async fn link(world: &World, browser: &Browser, limit: Duration) -> Result<String> {
    let link = browser.find_within(limit, "textbox", "Paste link").await?.value().await?;
    world.link(&link)?;
    Ok(link)
}

/// The paste's id in a link.
pub(crate) fn id(link: &str) -> &str {
    let base = link.split('#').next().unwrap_or_default();
    base.rsplit('/').next().unwrap_or_default()
}

/// The same link, to be followed through another address of the server.
pub(crate) fn through(link: &str, origin: &str) -> Result<String> {
    let (_, fragment) = link.split_once('#').context("a link without a secret")?;
    Ok(format!("{origin}/{}#{fragment}", id(link)))
}

/// Waits until the show page shows exactly this text.
pub(crate) async fn shows(browser: &Browser, text: &str) -> Result<()> {
    let got = browser
        .until(STEP, "the text", async || {
            let got = browser.find("region", "Paste").await?.text_content().await?;
            Ok((got.len() >= text.len()).then_some(got))
        })
        .await?;
    ensure!(got == text, "the text shown differs: {:?}", got.chars().take(200).collect::<String>());
    Ok(())
}

/// Waits until the show page lists exactly these files.
pub(crate) async fn lists(browser: &Browser, names: &[&str]) -> Result<()> {
    let got = browser
        .until(STEP, "the list of files", async || {
            let got = browser.find("list", "Files").await?.names_below("link").await?;
            Ok((got.len() >= names.len()).then_some(got))
        })
        .await?;
    ensure!(got == names, "the files listed are {got:?}");
    Ok(())
}

/// Opens a link that leads to nothing any more, and gives what the page says of it.
pub(crate) async fn finds_nothing(browser: &Browser, link: &str) -> Result<String> {
    // Chromium writes a failed request to its console by itself.
    browser.forgive("the server responded with a status of 404");
    browser.forgive("the server responded with a status of 410");
    browser.open(link).await?;
    let said = browser.said("alert").await?;
    for control in ["Read and destroy", "Open", "Copy text"] {
        ensure!(!browser.has("button", control).await?, "\"{control}\" is offered for nothing");
    }
    Ok(said)
}
