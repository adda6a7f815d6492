//! How every state looks: at 360 and at 1280 pixels, in light and in dark, to eyes and to axe-core; and without scripts.

use std::path::Path;

use anyhow::{Result, ensure};
use e2e::{BIG_STEP, Browser, STEP, Scheme, World, pattern_file, scenario, write_file};

use crate::steps::{CLAIM_FIRST, Draft, WRONG_TOKEN, finds_nothing, lists, shows, through};

/// Holds the page, as it is, to the rules in both sizes and both colours, and leaves pictures.
async fn looks_well(world: &World, browser: &Browser, state: &str) -> Result<()> {
    for width in [360, 1280] {
        for scheme in [Scheme::Light, Scheme::Dark] {
            browser.look(width, scheme).await?;
            let name = format!("{state}-{width}-{}", if scheme == Scheme::Light { "light" } else { "dark" });
            browser.evaluate(SETTLED).await?;
            let wider = wider_than(browser, width).await?;
            ensure!(wider.is_empty(), "{name} has to be scrolled sideways because of {wider:?}");
            browser.picture(&world.pictures().join(format!("{name}.png"))).await?;
            browser.is_accessible(&name).await?;
        }
    }
    browser.look(1280, Scheme::Light).await
}

/// Two frames later, with every transition at its end: colours between two states are nobody's choice.
const SETTLED: &str = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
    for (const a of document.getAnimations()) { if (a.effect.getComputedTiming().endTime !== Infinity) a.finish(); }
    done();
})))";

/// What makes the page wider than this.
async fn wider_than(browser: &Browser, width: u32) -> Result<Vec<String>> {
    let script = format!(
        "(() => {{
            const all = document.documentElement.scrollWidth;
            if (all <= {width} && innerWidth <= {width}) return [];
            const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > {width});
            return [`${{all}} pixels`, ...wide.map(e => `${{e.tagName}}#${{e.id}}.${{e.className}}`)];
        }})()"
    );
    let found = browser.evaluate(&script).await?;
    Ok(found.as_array().into_iter().flatten().filter_map(|e| e.as_str()).map(str::to_owned).collect())
}

#[test]
fn needs_chromium_the_create_page_looks_well_in_every_state() -> Result<()> {
    scenario("look-create", async |world| {
        let browser = world.browser().await?;
        let origin = world.server.origin();
        Draft::default().fill_in(&browser, &origin).await?;
        looks_well(world, &browser, "create-empty").await?;
        let strict = world.another_server(&["--max-paste", "1KiB"]).await?;
        let text = "too much for this server ".repeat(100);
        Draft { text: &text, ..Draft::default() }.fill_in(&browser, &strict.origin()).await?;
        browser.press("button", "Create link").await?;
        browser.said("alert").await?;
        looks_well(world, &browser, "create-refused").await?;

        let text = "a line that is rather long, as lines of logs are ".repeat(8) + "\nand a short one";
        let named = write_file(world.folder(), &format!("{}.txt", "long-name-".repeat(18)), "x")?;
        let large = pattern_file(world.folder(), "photo.raw", 40 << 20, 1)?;
        let files: [&Path; 2] = [&named, &large];
        let draft = Draft { text: &text, files: &files, burn: true, password: Some("hunter22"), ..Draft::default() };
        draft.fill_in(&browser, &origin).await?;
        looks_well(world, &browser, "create-filled").await?;

        browser.press("button", "Create link").await?;
        browser.find_within(STEP * 3, "textbox", "Paste link").await?;
        looks_well(world, &browser, "create-done").await?;
        browser.press("button", "Delete paste").await?;
        browser.find("button", "Delete for ever").await?;
        looks_well(world, &browser, "create-delete").await?;
        browser.press("button", "Delete for ever").await?;
        browser
            .until(STEP, "the dialog to close", async || {
                Ok(browser.find_all("dialog", None).await?.is_empty().then_some(()))
            })
            .await?;
        browser.said("status").await?;
        looks_well(world, &browser, "create-deleted").await
    })
}

#[test]
fn needs_chromium_the_show_page_looks_well_in_every_state() -> Result<()> {
    scenario("look-show", async |world| {
        let browser = world.browser().await?;
        let text =
            "a line that is rather long, as lines of logs are ".repeat(8) + "\nand a short one\n" + &"word".repeat(200);
        let named = write_file(world.folder(), &format!("{}.txt", "long-name-".repeat(18)), "x")?;
        let small = write_file(world.folder(), "notes.txt", "notes")?;
        let files: [&Path; 2] = [&named, &small];
        let draft = Draft { text: &text, files: &files, burn: true, password: Some("hunter22"), ..Draft::default() };
        let link = draft.create(world, &browser).await?;
        let reader = world.browser().await?;
        reader.forgive(WRONG_TOKEN);
        reader.forgive(CLAIM_FIRST);
        reader.open(&link).await?;
        reader.find("button", "Open").await?;
        looks_well(world, &reader, "show-password").await?;
        reader.find("textbox", "Password").await?.type_in("hunter23").await?;
        reader.press("button", "Open").await?;
        reader.said("alert").await?;
        looks_well(world, &reader, "show-wrong-password").await?;
        reader.find("textbox", "Password").await?.clear().await?;
        reader.find("textbox", "Password").await?.type_in("hunter22").await?;
        reader.press("button", "Open").await?;
        reader.find("button", "Read and destroy").await?;
        looks_well(world, &reader, "show-burn").await?;
        reader.press("button", "Read and destroy").await?;
        shows(&reader, &text).await?;
        lists(&reader, &[&format!("{}.txt", "long-name-".repeat(18)), "notes.txt"]).await?;
        reader.find("button", "Save all").await?;
        looks_well(world, &reader, "show-read").await?;
        finds_nothing(&reader, &link).await?;
        looks_well(world, &reader, "show-gone").await?;
        reader.open(&link[..link.len() - 3]).await?;
        reader.said("alert").await?;
        looks_well(world, &reader, "show-damaged-link").await?;
        reader.open(&format!("{}/no-such-page", world.server.origin())).await?;
        looks_well(world, &reader, "missing").await
    })
}

#[test]
fn needs_chromium_pages_that_can_do_nothing_look_well() -> Result<()> {
    scenario("look-hindered", async |world| {
        let browser = world.browser().await?;
        let empty = Draft::default().create(world, &browser).await?;
        browser.open(&empty).await?;
        browser.said_within(STEP, "status", |text| text.contains("empty")).await?;
        looks_well(world, &browser, "show-empty").await?;

        // Chromium trusts loopback addresses, but no name that merely leads to one.
        let insecure = format!("http://insecure.test:{}", world.server.address().port());
        browser.forgive("The Cross-Origin-Opener-Policy header has been ignored");
        for (state, address) in [("create-insecure", insecure.clone()), ("show-insecure", through(&empty, &insecure)?)]
        {
            browser.open(&address).await?;
            browser.said("alert").await?;
            looks_well(world, &browser, state).await?;
        }

        let mut server = world.another_server(&[]).await?;
        let draft = Draft { text: "nobody is there", burn: true, ..Draft::default() };
        let link = draft.create_at(world, &browser, &server.origin()).await?;
        draft.fill_in(&browser, &server.origin()).await?;
        let reader = world.browser().await?;
        reader.open(&link).await?;
        reader.find("button", "Read and destroy").await?;
        server.stop().await?;
        for (page, button, state) in
            [(&browser, "Create link", "create-server-gone"), (&reader, "Read and destroy", "show-server-gone")]
        {
            page.forgive("net::ERR_");
            page.press("button", button).await?;
            page.said_within(BIG_STEP, "alert", |text| !text.is_empty()).await?;
            looks_well(world, page, state).await?;
        }
        Ok(())
    })
}

#[test]
fn needs_chromium_work_in_progress_looks_well_and_can_be_cancelled() -> Result<()> {
    scenario("look-progress", async |world| {
        let browser = world.browser().await?;
        let large = pattern_file(world.folder(), "large-enough.bin", 24 << 20, 1)?;
        let slow = world.wire().await?;
        // Slow enough to be looked at.
        slow.slow_down(1 << 20);
        Draft { files: &[&large], ..Draft::default() }.fill_in(&browser, &slow.origin()).await?;
        browser.press("button", "Create link").await?;
        let bar =
            browser.until(STEP, "a progress bar", async || Ok(browser.find_all("progressbar", None).await?.pop()));
        bar.await?;
        looks_well(world, &browser, "create-progress").await?;
        browser.press("button", "Cancel").await?;
        browser.find("button", "Create link").await?;
        slow.slow_down(0);
        browser.press("button", "Create link").await?;
        let link = crate::steps::link(world, &browser, STEP * 3).await?;

        slow.slow_down(1 << 20);
        let link = through(&link, &slow.origin())?;
        browser.open(&link).await?;
        browser
            .until(STEP, "a progress bar", async || {
                // Where a page fetches only what is asked for, it is asked for.
                if browser.has("link", "large-enough.bin").await?
                    && browser.find_all("progressbar", None).await?.is_empty()
                {
                    browser.press("link", "large-enough.bin").await?;
                }
                Ok(browser.find_all("progressbar", None).await?.pop())
            })
            .await?;
        looks_well(world, &browser, "show-progress").await?;
        slow.slow_down(0);
        Ok(())
    })
}

#[test]
fn needs_chromium_without_scripts_the_page_says_what_is_needed() -> Result<()> {
    scenario("no-scripts", async |world| {
        let browser = world.browser().await?;
        let link =
            Draft { text: "unread without scripts", burn: true, ..Draft::default() }.create(world, &browser).await?;
        browser.scripts(false).await?;
        for (state, address, command) in
            [("create-no-scripts", world.server.origin(), "pasteur put"), ("show-no-scripts", link, "pasteur get")]
        {
            browser.open(&address).await?;
            let text = browser.readable().await?;
            ensure!(text.to_lowercase().contains("script"), "{state} does not say what is needed: {text:?}");
            ensure!(text.contains(command), "{state} does not show the command line's way: {text:?}");
            // The page stays as it is when scripts may run again: the checker is one.
            browser.scripts(true).await?;
            looks_well(world, &browser, state).await?;
            browser.scripts(false).await?;
        }
        Ok(())
    })
}

#[test]
fn needs_chromium_large_letters_and_narrow_windows_lose_nothing() -> Result<()> {
    scenario("zoom", async |world| {
        let browser = world.browser().await?;
        // WCAG 2.2, 1.4.4 and 1.4.10: twice the letters, and a window of 320 pixels.
        Draft::default().fill_in(&browser, &world.server.origin()).await?;
        browser.look(320, Scheme::Light).await?;
        browser.evaluate(SETTLED).await?;
        let wider = wider_than(&browser, 320).await?;
        ensure!(wider.is_empty(), "at 320 pixels it is too wide: {wider:?}");
        browser.look(640, Scheme::Light).await?;
        browser.evaluate("document.documentElement.style.fontSize = '200%'").await?;
        browser.evaluate(SETTLED).await?;
        let wider = wider_than(&browser, 640).await?;
        ensure!(wider.is_empty(), "with large letters it is too wide: {wider:?}");
        browser.picture(&world.pictures().join("create-large-letters.png")).await
    })
}
