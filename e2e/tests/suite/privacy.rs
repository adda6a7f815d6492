//! What anybody but the two ends may learn: nothing. The judgement after each scenario looks for secrets; here is what
//! it cannot see.

use anyhow::{Context, Result, ensure};
use e2e::{scenario, write_file};

use crate::steps::{Draft, id};

#[test]
fn needs_chromium_texts_of_like_length_are_alike_to_the_server() -> Result<()> {
    scenario("padding", async |world| {
        let browser = world.browser().await?;
        let (short, long) = ("a".repeat(50_000), "b".repeat(50_100));
        let file = write_file(world.folder(), "named-at-length-as-names-are.txt", "x")?;
        let mut sizes = Vec::new();
        for text in [&short, &long] {
            let link = Draft { text, ..Draft::default() }.create(world, &browser).await?;
            sizes.push(world.server.info(id(&link)).await?["size"].as_u64().context("no size")?);
        }
        ensure!(sizes[0] == sizes[1], "the server can tell lengths apart: {sizes:?}");
        let link = Draft { files: &[&file], ..Draft::default() }.create(world, &browser).await?;
        let info = world.server.info(id(&link)).await?.to_string();
        ensure!(!info.contains("named-at-length"), "{info}");
        Ok(())
    })
}

#[test]
fn needs_chromium_nothing_stays_in_the_browser() -> Result<()> {
    scenario("nothing-stays", async |world| {
        let browser = world.browser().await?;
        let link = Draft { text: "leave nothing behind", ..Draft::default() }.create(world, &browser).await?;
        browser.open(&link).await?;
        crate::steps::shows(&browser, "leave nothing behind").await?;
        browser.open(&world.server.origin()).await?;
        browser.find("button", "Create link").await?;
        ensure!(browser.find("textbox", "Paste").await?.value().await?.is_empty(), "the text came back");
        let stored = browser.evaluate("JSON.stringify([localStorage, sessionStorage])").await?;
        ensure!(stored == "[{},{}]", "the page stored {stored}");
        let databases = browser.evaluate("indexedDB.databases().then(d => d.length)").await?;
        ensure!(databases == 0, "the page made {databases} databases");
        Ok(())
    })
}

#[test]
fn needs_chromium_without_a_secure_context_nothing_is_sealed() -> Result<()> {
    scenario("insecure", async |world| {
        let browser = world.browser().await?;
        // Chromium trusts loopback addresses, but no name that merely leads to one.
        let origin = format!("http://insecure.test:{}", world.server.address().port());
        browser.forgive("The Cross-Origin-Opener-Policy header has been ignored");
        browser.open(&origin).await?;
        let said = browser.said("alert").await?;
        ensure!(said.contains("https") || said.contains("HTTPS"), "the alert says {said:?}");
        ensure!(!browser.requests().await?.iter().any(|r| r.method == "POST"));
        Ok(())
    })
}
