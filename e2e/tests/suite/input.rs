//! Other ways in than typing and choosing: dropping, pasting, and the keyboard alone.

use anyhow::{Result, ensure};
use e2e::{Browser, Key, STEP, pattern_file, same_pattern, scenario, write_file};

use crate::steps::{CLAIM_FIRST, Draft, link, lists, shows};

#[test]
fn needs_chromium_files_are_dropped_and_pasted() -> Result<()> {
    scenario("drop-and-paste", async |world| {
        let browser = world.browser().await?;
        let first = pattern_file(world.folder(), "dropped-first.bin", 70_000, 1)?;
        let second = write_file(world.folder(), "dropped-second.txt", "second")?;
        let unwanted = write_file(world.folder(), "unwanted-one.txt", "unwanted")?;
        for name in ["dropped-first.bin", "dropped-second.txt", "unwanted-one.txt"] {
            world.secret(name);
        }
        Draft::default().fill_in(&browser, &world.server.origin()).await?;
        browser.drop_files(&[&first, &unwanted], "textbox", "Paste").await?;
        browser.drop_files(&[&second], "button", "Create link").await?;
        browser.press("button", "Remove unwanted-one.txt").await?;

        // A picture, and then a text, from the clipboard.
        let picture = "new Promise(done => { const c = document.createElement('canvas'); c.toBlob(b => \
                       done(navigator.clipboard.write([new ClipboardItem({'image/png': b})]))) })";
        browser.evaluate(picture).await?;
        browser.find("textbox", "Paste").await?.click().await?;
        browser.key(Key::ControlV).await?;
        browser.find("button", "Remove image.png").await?;
        browser.evaluate("navigator.clipboard.writeText('pasted from elsewhere')").await?;
        browser.find("textbox", "Paste").await?.click().await?;
        browser.key(Key::ControlV).await?;
        browser.press("button", "Create link").await?;
        let link = link(world, &browser, STEP).await?;

        browser.open(&link).await?;
        shows(&browser, "pasted from elsewhere").await?;
        lists(&browser, &["dropped-first.bin", "dropped-second.txt", "image.png"]).await?;
        browser.press("link", "dropped-first.bin").await?;
        same_pattern(&browser.downloaded("dropped-first.bin", STEP).await?, 70_000, 1)?;
        browser.press("link", "image.png").await?;
        let image = std::fs::read(browser.downloaded("image.png", STEP).await?)?;
        ensure!(image.starts_with(b"\x89PNG"), "the pasted picture came back as {} bytes", image.len());
        Ok(())
    })
}

#[test]
fn needs_chromium_all_is_done_by_the_keyboard_alone() -> Result<()> {
    scenario("keyboard", async |world| {
        let browser = world.browser().await?;
        let text = "no mouse was here";
        world.secret(text);
        browser.open(&world.server.origin()).await?;
        browser.find("button", "Create link").await?;
        browser.tab_to("textbox", "Paste").await?;
        browser.keys(text).await?;
        browser.tab_to("button", "Files").await?;
        browser.tab_to("combobox", "Expires").await?;
        let before = browser.find("combobox", "Expires").await?.value().await?;
        browser.key(Key::Down).await?;
        ensure!(browser.find("combobox", "Expires").await?.value().await? != before, "the arrow key chose nothing");
        browser.tab_to("textbox", "Password").await?;
        browser.keys("by heart").await?;
        browser.tab_to("checkbox", "Burn after reading").await?;
        browser.key(Key::Space).await?;
        browser.tab_to("button", "Create link").await?;
        browser.key(Key::Enter).await?;
        let link = link(world, &browser, STEP).await?;
        focus_is_kept(&browser).await?;
        browser.tab_to("textbox", "Paste link").await?;
        browser.tab_to("button", "Copy link").await?;
        browser.key(Key::Space).await?;
        browser.until(STEP, "the copy", async || Ok((browser.clipboard().await? == link).then_some(()))).await?;
        // The dialog keeps the focus until it is left, and gives it back.
        browser.tab_to("button", "Delete paste").await?;
        browser.key(Key::Enter).await?;
        browser.tab_to("button", "Delete for ever").await?;
        browser.key(Key::Escape).await?;
        let back = ("button".to_owned(), "Delete paste".to_owned());
        browser.until(STEP, "the focus", async || Ok((browser.focused().await? == back).then_some(()))).await?;

        browser.forgive(CLAIM_FIRST);
        browser.open(&link).await?;
        browser.find("button", "Open").await?;
        browser.tab_to("textbox", "Password").await?;
        browser.keys("by heart").await?;
        browser.key(Key::Enter).await?;
        browser.find("button", "Read and destroy").await?;
        browser.tab_to("button", "Read and destroy").await?;
        browser.key(Key::Enter).await?;
        shows(&browser, text).await?;
        focus_is_kept(&browser).await?;
        browser.tab_to("button", "Copy text").await?;
        browser.key(Key::Enter).await?;
        browser.until(STEP, "the copy", async || Ok((browser.clipboard().await? == text).then_some(()))).await?;
        browser.key(Key::ShiftTab).await?;
        browser.tab_to("button", "New paste").await?;
        browser.key(Key::Enter).await?;
        browser.find("textbox", "Paste").await?;
        Ok(())
    })
}

/// A control that goes away must not take the focus with it to the top of the page.
async fn focus_is_kept(browser: &Browser) -> Result<()> {
    let kept = "document.activeElement !== null && document.activeElement !== document.body";
    browser
        .until(STEP, "the focus to be somewhere", async || Ok((browser.evaluate(kept).await? == true).then_some(())))
        .await
}
