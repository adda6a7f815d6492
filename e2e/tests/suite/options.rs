//! Every option of the create page, alone and all together.

use anyhow::{Context, Result, ensure};
use e2e::{STEP, World, scenario, write_file};
use serde_json::Value;

use crate::steps::{CLAIM_FIRST, Draft, WRONG_TOKEN, finds_nothing, id, link, lists, shows};

#[test]
fn needs_chromium_every_expiry_is_kept() -> Result<()> {
    scenario("expiries", async |world| {
        let browser = world.browser().await?;
        browser.open(&world.server.origin()).await?;
        let offered = browser.find("combobox", "Expires").await?.options().await?;
        ensure!(offered.len() >= 5, "only {offered:?} are offered");
        for expires in &offered {
            let draft = Draft { text: "until its time", expires: Some(expires), ..Draft::default() };
            let link = draft.create(world, &browser).await?;
            let info = world.server.info(id(&link)).await?;
            match seconds(expires)? {
                None => ensure!(info["expires_at"] == Value::Null, "{expires}: {info}"),
                Some(life) => {
                    let times = info["expires_at"].as_u64().zip(info["created_at"].as_u64());
                    let (end, start) = times.with_context(|| format!("{expires}: {info}"))?;
                    ensure!((life..=life + 1).contains(&(end - start)), "{expires}: {info}");
                }
            }
        }
        Ok(())
    })
}

/// What an option's words promise; `None` is for ever.
fn seconds(words: &str) -> Result<Option<u64>> {
    if words == "never" {
        return Ok(None);
    }
    let (number, unit) =
        words.trim_start_matches("in ").split_once(' ').with_context(|| format!("the option {words:?} is no time"))?;
    let unit = match unit.trim_end_matches('s') {
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        "week" => 604_800,
        "month" => 2_592_000,
        "year" => 31_536_000,
        unit => anyhow::bail!("the option {words:?} has the unit {unit:?}"),
    };
    Ok(Some(number.parse::<u64>()? * unit))
}

#[test]
fn needs_chromium_a_password_is_asked_for_and_checked() -> Result<()> {
    scenario("password", password)
}

pub(crate) async fn password(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    let (text, password) = ("behind a password", "pässword with spaces");
    let link = Draft { text, password: Some(password), ..Draft::default() }.create(world, &browser).await?;
    let reader = world.browser().await?;
    reader.forgive(WRONG_TOKEN);
    reader.open(&link).await?;
    reader.find("button", "Open").await?;
    ensure!(!reader.has("region", "Paste").await?, "something is shown before the password");
    reader.find("textbox", "Password").await?.type_in("not the password").await?;
    reader.press("button", "Open").await?;
    let said = reader.said("alert").await?;
    ensure!(said.to_lowercase().contains("password"), "the alert says {said:?}");
    // The wrong one may stand there still.
    reader.evaluate("document.activeElement.blur()").await?;
    let field = reader.find("textbox", "Password").await?;
    field.clear().await?;
    // The same letters in another normal form of Unicode.
    field.insert("pa\u{308}ssword with spaces").await?;
    reader.press("button", "Open").await?;
    shows(&reader, text).await?;
    Ok(())
}

#[test]
fn needs_chromium_all_options_together() -> Result<()> {
    scenario("all-options", all_options)
}

pub(crate) async fn all_options(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    let file = write_file(world.folder(), "all-options.txt", "with every option set")?;
    let draft = Draft {
        text: "text with every option set",
        files: &[&file],
        expires: Some("in 1 hour"),
        burn: true,
        password: Some("correct horse"),
    };
    let link = draft.create(world, &browser).await?;
    let info = world.server.info(id(&link)).await?;
    let header: Value = serde_json::from_str(info["header"].as_str().context("no header")?)?;
    ensure!(header["burn"] == true && header["kdf"]["alg"] == "argon2id", "{info}");

    let reader = world.browser().await?;
    reader.forgive(CLAIM_FIRST);
    reader.open(&link).await?;
    reader.find("textbox", "Password").await?.type_in("correct horse").await?;
    reader.press("button", "Open").await?;
    reader.press("button", "Read and destroy").await?;
    shows(&reader, draft.text).await?;
    lists(&reader, &["all-options.txt"]).await?;
    reader.press("link", "all-options.txt").await?;
    let saved = reader.downloaded("all-options.txt", STEP).await?;
    ensure!(std::fs::read(saved)? == b"with every option set");
    finds_nothing(&browser, &link).await?;
    Ok(())
}

#[test]
fn needs_chromium_what_is_too_large_is_told_before_it_is_sealed() -> Result<()> {
    scenario("too-large", async |world| {
        let server = world.another_server(&["--max-paste", "1MiB"]).await?;
        let browser = world.browser().await?;
        let file = e2e::pattern_file(world.folder(), "larger-than-allowed.bin", 1 << 20, 1)?;
        Draft { files: &[&file], ..Draft::default() }.fill_in(&browser, &server.origin()).await?;
        browser.press("button", "Create link").await?;
        let said = browser.said("alert").await?;
        ensure!(said.contains("1 MiB"), "the alert does not name the limit: {said:?}");
        ensure!(!browser.requests().await?.iter().any(|r| r.method == "POST"), "it was sent nevertheless");
        // What is too large can be taken off.
        browser.press("button", "Remove larger-than-allowed.bin").await?;
        browser.find("textbox", "Paste").await?.insert("small enough").await?;
        browser.press("button", "Create link").await?;
        link(world, &browser, STEP).await?;
        Ok(())
    })
}
