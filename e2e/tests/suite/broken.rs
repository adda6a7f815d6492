//! Connections that break off in the middle.

use anyhow::{Result, ensure};
use e2e::{BIG_STEP, STEP, World, pattern_file, same_pattern, scenario};
use tokio::time::sleep;

use crate::steps::{Draft, finds_nothing, id, link, through};

const SIZE: u64 = 24 << 20;

#[test]
fn needs_chromium_a_claimed_download_is_resumed() -> Result<()> {
    scenario("resume", resumed)
}

pub(crate) async fn resumed(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    let file = pattern_file(world.folder(), "claimed-once.bin", SIZE, 3)?;
    let draft = Draft { files: &[&file], burn: true, ..Draft::default() };
    let link = draft.create(world, &browser).await?;
    let wire = world.wire().await?;
    let reader = world.browser().await?;
    // Chromium writes each broken answer to its console.
    reader.forgive("net::ERR_");
    reader.open(&through(&link, &wire.origin())?).await?;
    reader.find("button", "Read and destroy").await?;
    wire.cut_answers_after(&[3 << 20, 5 << 20, 100_000]);
    reader.press("button", "Read and destroy").await?;
    reader.find_within(BIG_STEP, "link", "claimed-once.bin").await?;
    reader.press("link", "claimed-once.bin").await?;
    same_pattern(&reader.downloaded("claimed-once.bin", BIG_STEP).await?, SIZE, 3)?;
    ensure!(wire.cuts() == 3, "the wire was cut {} times", wire.cuts());
    let claims = reader.requests().await?.iter().filter(|r| r.url.ends_with("/claim") && r.method == "POST").count();
    ensure!(claims == 1, "the paste was claimed {claims} times");
    finds_nothing(&browser, &link).await?;
    Ok(())
}

#[test]
fn needs_chromium_a_download_of_a_plain_paste_is_resumed() -> Result<()> {
    scenario("resume-plain", async |world| {
        let browser = world.browser().await?;
        let file = pattern_file(world.folder(), "read-by-many.bin", SIZE, 4)?;
        let link = Draft { files: &[&file], ..Draft::default() }.create(world, &browser).await?;
        let wire = world.wire().await?;
        let reader = world.browser().await?;
        reader.forgive("net::ERR_");
        reader.open(&through(&link, &wire.origin())?).await?;
        wire.cut_answers_after(&[2 << 20, 6 << 20]);
        reader.find_within(BIG_STEP, "link", "read-by-many.bin").await?;
        reader.press("link", "read-by-many.bin").await?;
        same_pattern(&reader.downloaded("read-by-many.bin", BIG_STEP).await?, SIZE, 4)?;
        ensure!(wire.cuts() == 2, "the wire was cut {} times", wire.cuts());
        Ok(())
    })
}

#[test]
fn the_command_line_resumes_a_claimed_download() -> Result<()> {
    scenario("resume-cli", async |world| {
        let file = pattern_file(world.folder(), "claimed-by-get.bin", SIZE, 5)?;
        world.secret("claimed-by-get.bin");
        let link = world.pasteur(&["put", "--burn"]).arg(&file).run().await?.well()?.link()?;
        world.link(&link)?;
        let wire = world.wire().await?;
        wire.cut_answers_after(&[4 << 20, 7 << 20, 1000]);
        let inbox = world.folder().join("inbox");
        let get = world.pasteur(&["get", "-", "-o"]).arg(&inbox).input(through(&link, &wire.origin())?);
        get.run().await?.well()?;
        same_pattern(&inbox.join("claimed-by-get.bin"), SIZE, 5)?;
        ensure!(wire.cuts() == 3, "the wire was cut {} times", wire.cuts());
        let again = world.pasteur(&["get", "-"]).input(link.as_str()).run().await?;
        ensure!(again.code == 3, "a burnt paste gives {}: {}", again.code, again.errors);
        Ok(())
    })
}

#[test]
fn needs_chromium_an_upload_that_breaks_off_is_told_and_can_be_sent_again() -> Result<()> {
    scenario("broken-upload", async |world| {
        let file = pattern_file(world.folder(), "sent-twice.bin", SIZE, 6)?;
        let wire = world.wire().await?;
        let browser = world.browser().await?;
        browser.forgive("net::ERR_");
        Draft { files: &[&file], ..Draft::default() }.fill_in(&browser, &wire.origin()).await?;
        // As often as a client may try by itself, and once more.
        wire.cut_requests_after(&[2 << 20; 40]);
        browser.press("button", "Create link").await?;
        let said = browser.said_within(BIG_STEP, "alert", |text| !text.is_empty()).await?;
        ensure!(said.len() > 20, "the alert says {said:?}");
        ensure!(wire.cuts() >= 1);
        ensure!(!browser.has("textbox", "Paste link").await?, "a link to what was never stored");
        wire.cut_requests_after(&[]);
        browser.press("button", "Create link").await?;
        let link = link(world, &browser, BIG_STEP).await?;
        world.server.info(id(&link)).await?;
        Ok(())
    })
}

#[test]
fn needs_chromium_a_server_that_is_gone_is_told() -> Result<()> {
    scenario("offline", async |world| {
        let mut server = world.another_server(&[]).await?;
        let browser = world.browser().await?;
        browser.forgive("net::ERR_");
        Draft { text: "nobody is there to take it", ..Draft::default() }.fill_in(&browser, &server.origin()).await?;
        server.stop().await?;
        sleep(std::time::Duration::from_millis(200)).await;
        browser.press("button", "Create link").await?;
        let said = browser.said_within(BIG_STEP, "alert", |text| !text.is_empty()).await?;
        ensure!(said.to_lowercase().contains("server"), "the alert says {said:?}");
        // What was typed is not lost.
        ensure!(browser.find_within(STEP, "textbox", "Paste").await?.value().await? == "nobody is there to take it");
        Ok(())
    })
}
