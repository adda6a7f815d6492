//! Between the browser and the command line, both ways.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::{STEP, World, pattern_file, same_pattern, scenario, write_file};
use serde_json::Value;

use crate::steps::{CLAIM_FIRST, Draft, finds_nothing, id, lists, shows};

const SIZE: u64 = (3 << 20) + 5;

#[test]
fn needs_chromium_from_the_browser_to_the_command_line() -> Result<()> {
    scenario("browser-to-cli", from_the_browser)
}

pub(crate) async fn from_the_browser(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    let file = pattern_file(world.folder(), "from-browser.bin", SIZE, 1)?;
    let text = "from a browser, ü\n";
    for (round, (burn, password)) in [(false, None), (true, Some("bridge ü"))].into_iter().enumerate() {
        let draft = Draft { text, files: &[&file], burn, password, ..Draft::default() };
        let link = draft.create(world, &browser).await?;
        let inbox = world.folder().join(format!("inbox-{round}"));
        let mut get = world.pasteur(&["get", "-", "-o"]).arg(&inbox).input(link.as_str());
        if let Some(password) = password {
            let path = write_file(world.folder(), "password", password)?;
            get = get.arg("--password-file").arg(path);
        }
        let got = get.run().await?.well()?;
        ensure!(got.output == text.as_bytes(), "get printed {:?}", String::from_utf8_lossy(&got.output));
        same_pattern(&inbox.join("from-browser.bin"), SIZE, 1)?;
        if burn {
            finds_nothing(&browser, &link).await?;
        }
    }
    Ok(())
}

#[test]
fn needs_chromium_from_the_command_line_to_the_browser() -> Result<()> {
    scenario("cli-to-browser", to_the_browser)
}

pub(crate) async fn to_the_browser(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    let file = pattern_file(world.folder(), "from-terminal.bin", SIZE, 2)?;
    let text = "from a terminal, 世界\n";
    world.secret(text);
    world.secret("from-terminal.bin");
    for (burn, password) in [(false, None), (true, Some("bridge 世界"))] {
        let mut put = world.pasteur(&["put", "-"]).arg(&file).input(text);
        if burn {
            put = put.arg("--burn");
        }
        if let Some(password) = password {
            put = put.arg("--password-file").arg(write_file(world.folder(), "password", password)?);
        }
        let link = put.run().await?.well()?.link()?;
        world.link(&link)?;
        browser.forgive(CLAIM_FIRST);
        browser.open(&link).await?;
        if let Some(password) = password {
            browser.find("textbox", "Password").await?.insert(password).await?;
            browser.press("button", "Open").await?;
        }
        if burn {
            browser.press("button", "Read and destroy").await?;
        }
        shows(&browser, text).await?;
        lists(&browser, &["from-terminal.bin"]).await?;
        browser.press("link", "from-terminal.bin").await?;
        let saved = browser.downloaded("from-terminal.bin", STEP).await?;
        same_pattern(&saved, SIZE, 2)?;
        std::fs::remove_file(saved)?;
    }
    Ok(())
}

#[test]
fn needs_chromium_an_empty_text_from_the_command_line_is_shown_as_empty() -> Result<()> {
    scenario("cli-empty", async |world| {
        let link = world.pasteur(&["put"]).input("").run().await?.well()?.link()?;
        world.link(&link)?;
        let browser = world.browser().await?;
        browser.open(&link).await?;
        let said = browser.said_within(STEP, "status", |text| text.to_lowercase().contains("empty")).await?;
        ensure!(browser.alert().await?.is_none(), "an empty paste is an error: {said}");
        let got = world.pasteur(&["get", "-"]).input(link.as_str()).run().await?.well()?;
        ensure!(got.output.is_empty());
        Ok(())
    })
}

#[test]
fn needs_chromium_a_paste_of_the_command_line_is_told_of_and_removed_by_it() -> Result<()> {
    scenario("cli-rm", removed)
}

pub(crate) async fn removed(world: &World) -> Result<()> {
    let link = world.pasteur(&["put", "--expires", "2h30m"]).input("to be removed").run().await?.well()?.link()?;
    world.link(&link)?;
    let info = world.pasteur(&["info", "-", "--json"]).input(link.as_str()).run().await?.well()?;
    let info: Value = serde_json::from_slice(&info.output)?;
    let life = info["expires_at"].as_u64().zip(info["created_at"].as_u64()).context("no times")?;
    ensure!(life.0 - life.1 == 9000 && info["burn"] == false && info["password"] == false, "{info}");
    let browser = world.browser().await?;
    browser.open(&link).await?;
    shows(&browser, "to be removed").await?;
    world.pasteur(&["rm", "-"]).input(link.as_str()).run().await?.well()?;
    finds_nothing(&browser, &link).await?;
    for command in ["get", "info", "rm"] {
        let ran = world.pasteur(&[command, "-"]).input(link.as_str()).run().await?;
        ensure!([3, 4].contains(&ran.code), "{command} of what is gone ended with {}: {}", ran.code, ran.errors);
    }
    Ok(())
}

#[test]
fn a_damaged_link_is_told_by_the_command_line() -> Result<()> {
    scenario("cli-links", async |world| {
        let link = world.pasteur(&["put", "--burn"]).input("still to be read").run().await?.well()?.link()?;
        world.link(&link)?;
        let other = if link.ends_with('A') { "B" } else { "A" };
        let cut = (link[..link.len() - 1].to_owned(), "the link was cut");
        let mistyped = (format!("{}{other}", &link[..link.len() - 1]), "mistyped");
        for (damaged, told) in [cut, mistyped] {
            let ran = world.pasteur(&["get", "-"]).input(damaged).run().await?;
            ensure!(ran.code == 4 && ran.output.is_empty(), "get ended with {}: {}", ran.code, ran.errors);
            ensure!(ran.errors.contains(told), "{}", ran.errors);
        }
        ensure!(world.server.info(id(&link)).await?["state"] == "open");
        let got = world.pasteur(&["get", "-"]).input(link.as_str()).run().await?.well()?;
        ensure!(got.output == b"still to be read");
        ensure!(!Path::new("still to be read").exists());
        Ok(())
    })
}
