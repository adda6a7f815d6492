//! What anybody but the two ends may learn: nothing. The judgement after each scenario looks for secrets; here is what
//! it cannot see.

use anyhow::{Context, Result, ensure};
use e2e::{BIG_STEP, Browser, STEP, pattern_file, scenario, write_file};

use crate::steps::{Draft, id, shows};

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

/// What this origin has kept: storage, databases, caches and private files.
const KEPT: &str = "(async () => {
    const files = [];
    for await (const name of (await navigator.storage.getDirectory()).keys()) files.push(name);
    const databases = await indexedDB.databases(), all = await caches.keys();
    return JSON.stringify([localStorage, sessionStorage, databases, all, files, document.cookie, history.state]);
})()";

#[test]
fn needs_chromium_nothing_stays_in_the_browser() -> Result<()> {
    scenario("nothing-stays", async |world| {
        let browser = world.browser().await?;
        let text = "leave nothing behind";
        // Larger than what is kept in memory while it is shown.
        let file = pattern_file(world.folder(), "left-behind.bin", 12 << 20, 9)?;
        let draft = Draft { text, files: &[&file], ..Draft::default() };
        let link = draft.create(world, &browser).await?;
        browser.open(&link).await?;
        shows(&browser, text).await?;
        browser.find("link", "left-behind.bin").await?;
        browser.press("button", "New paste").await?;
        browser.find("button", "Create link").await?;
        is_empty(&browser).await?;
        ensure!(browser.evaluate(KEPT).await? != "", "nothing could be asked");
        browser
            .until(BIG_STEP, "what was kept to be gone", async || {
                Ok((browser.evaluate(KEPT).await? == r#"[{},{},[],[],[],"",null]"#).then_some(()))
            })
            .await?;

        // A draft that was left is not there when its writer comes back, or anybody else.
        browser.find("textbox", "Paste").await?.insert("half a thought").await?;
        browser.find("textbox", "Password").await?.type_in("and its password").await?;
        browser.reload().await?;
        browser.find("button", "Create link").await?;
        is_empty(&browser).await?;
        browser.find("textbox", "Paste").await?.insert("half a thought").await?;
        browser.open(&link).await?;
        shows(&browser, text).await?;
        browser.back().await?;
        browser.back().await?;
        browser.find("button", "Create link").await?;
        is_empty(&browser).await
    })
}

/// The create page remembers nothing.
async fn is_empty(browser: &Browser) -> Result<()> {
    for name in ["Paste", "Password"] {
        ensure!(browser.find("textbox", name).await?.value().await?.is_empty(), "\"{name}\" came back");
    }
    Ok(())
}

#[test]
fn needs_chromium_what_was_destroyed_does_not_come_back() -> Result<()> {
    scenario("burnt-and-back", async |world| {
        let writer = world.browser().await?;
        let text = "once, and never again";
        let link = Draft { text, burn: true, ..Draft::default() }.create(world, &writer).await?;
        let reader = world.browser().await?;
        reader.forgive("the server responded with a status of 410");
        reader.open(&link).await?;
        reader.press("button", "Read and destroy").await?;
        shows(&reader, text).await?;
        reader.said_within(STEP, "status", |said| said.contains("only copy")).await?;
        reader.press("button", "Copy text").await?;
        reader.said_within(STEP, "status", |said| said.contains("copied")).await?;
        reader.press("button", "New paste").await?;
        reader.find("button", "Create link").await?;
        for _ in 0..2 {
            reader.back().await?;
            let said = reader.said("alert").await?;
            ensure!(said.contains("has been read"), "the alert says {said:?}");
            ensure!(!reader.readable().await?.contains(text), "the text came back");
            reader.reload().await?;
            reader.said("alert").await?;
            reader.open(&world.server.origin()).await?;
            reader.find("button", "Create link").await?;
            reader.back().await?;
        }
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
