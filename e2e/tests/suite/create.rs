//! Creating and reading in the browser: text, files, both, and the sizes at which segments begin and end.

use std::path::Path;

use anyhow::{Result, ensure};
use e2e::{BIG_STEP, STEP, World, pattern_file, same_pattern, scenario, write_file};

use crate::steps::{Draft, link, lists, shows};

const MIB: u64 = 1 << 20;

#[test]
fn needs_chromium_a_text_comes_back_as_it_was() -> Result<()> {
    scenario("text", a_text)
}

pub(crate) async fn a_text(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    let text = "  Grüße, 世界 🦀\n\n\t<script>alert(1)</script><img src=x onerror=alert(2)>\n&amp; \u{202e}abc\n\n";
    let link = Draft { text, ..Draft::default() }.create(world, &browser).await?;
    browser.press("button", "Copy link").await?;
    browser.said("status").await?;
    ensure!(browser.clipboard().await? == link, "\"Copy link\" copied something else");
    browser.open(&link).await?;
    shows(&browser, text).await?;
    browser.press("button", "Copy text").await?;
    browser.until(STEP, "the copied text", async || Ok((browser.clipboard().await? == text).then_some(()))).await?;
    ensure!(browser.evaluate("document.querySelectorAll('script:not([src]), img').length").await? == 0);
    browser.press("button", "New paste").await?;
    ensure!(browser.find("textbox", "Paste").await?.value().await?.is_empty());
    Ok(())
}

#[test]
fn needs_chromium_files_come_back_as_they_were() -> Result<()> {
    scenario("files", files)
}

pub(crate) async fn files(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    let names = ["notes of ü.txt", "<img src=x onerror=alert(1)>.html", "data.tar.gz"];
    let contents = ["plain notes, nobody else's", "<script>document.title = 'owned'</script>", "not really packed"];
    let mut files = Vec::new();
    for (name, content) in names.iter().zip(contents) {
        files.push(write_file(world.folder(), name, content)?);
        world.secret(content);
    }
    let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
    let link = Draft { files: &files, ..Draft::default() }.create(world, &browser).await?;
    browser.open(&link).await?;
    lists(&browser, &names).await?;
    // Characters that file systems reserve are replaced in the name a file is saved by.
    for (name, saved, content) in [
        (names[0], names[0], contents[0]),
        (names[1], "_img src=x onerror=alert(1)_.html", contents[1]),
        (names[2], names[2], contents[2]),
    ] {
        browser.press("link", name).await?;
        let path = browser.downloaded(saved, STEP).await?;
        ensure!(std::fs::read_to_string(path)? == content, "{name} came back otherwise");
    }
    ensure!(browser.evaluate("document.title").await? != "owned");
    Ok(())
}

#[test]
fn needs_chromium_text_and_files_together_and_all_saved_at_once() -> Result<()> {
    scenario("both", text_and_files)
}

pub(crate) async fn text_and_files(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    let text = "see the two files beside this";
    let first = pattern_file(world.folder(), "first-of-two.bin", 2 * MIB + 77, 1)?;
    let second = write_file(world.folder(), "second-of-two.txt", "second")?;
    let draft = Draft { text, files: &[&first, &second], ..Draft::default() };
    let link = draft.create(world, &browser).await?;
    let reader = world.browser().await?;
    reader.open(&link).await?;
    shows(&reader, text).await?;
    lists(&reader, &["first-of-two.bin", "second-of-two.txt"]).await?;
    reader.press("button", "Save all").await?;
    same_pattern(&reader.downloaded("first-of-two.bin", STEP).await?, 2 * MIB + 77, 1)?;
    ensure!(std::fs::read(reader.downloaded("second-of-two.txt", STEP).await?)? == b"second");
    Ok(())
}

#[test]
fn needs_chromium_files_of_every_edge_size() -> Result<()> {
    scenario("sizes", files_of_edge_sizes)
}

pub(crate) async fn files_of_edge_sizes(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    for size in [0, 1, MIB - 1, MIB, MIB + 1] {
        let name = format!("of-{size}-bytes.bin");
        let file = pattern_file(world.folder(), &name, size, size)?;
        let link = Draft { files: &[&file], ..Draft::default() }.create(world, &browser).await?;
        browser.open(&link).await?;
        lists(&browser, &[&name]).await?;
        browser.press("link", &name).await?;
        same_pattern(&browser.downloaded(&name, STEP).await?, size, size)?;
    }
    Ok(())
}

#[test]
fn needs_chromium_texts_of_every_edge_size() -> Result<()> {
    scenario("texts", async |world| {
        let browser = world.browser().await?;
        for size in [1, MIB - 1, MIB, MIB + 1] {
            // Lines of a log, numbered so that a lost or doubled piece shows.
            let mut text = String::new();
            for line in 0.. {
                text.push_str(&format!("{line:07} a line of {size}\n"));
                if text.len() as u64 >= size {
                    break;
                }
            }
            text.truncate(size as usize);
            let link = Draft { text: &text, ..Draft::default() }.create(world, &browser).await?;
            browser.open(&link).await?;
            shows(&browser, &text).await?;
        }
        Ok(())
    })
}

#[test]
fn needs_chromium_an_empty_paste_is_shown_as_empty() -> Result<()> {
    scenario("empty", nothing)
}

pub(crate) async fn nothing(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    let link = Draft::default().create(world, &browser).await?;
    browser.open(&link).await?;
    browser.said_within(STEP, "status", |text| text.contains("empty")).await?;
    shows(&browser, "").await?;
    ensure!(browser.alert().await?.is_none(), "an empty paste is an error");
    Ok(())
}

#[test]
fn needs_chromium_a_file_of_300_mib_goes_through_a_tab_of_bounded_memory() -> Result<()> {
    scenario("large", async |world| {
        let (small, large) = (8 * MIB, 300 * MIB);
        let mut peaks = Vec::new();
        for (name, size) in [("small.bin", small), ("large-file.bin", large)] {
            let file = pattern_file(world.folder(), name, size, size)?;
            // A browser each, so that a peak is this file's.
            let browser = world.browser().await?;
            Draft { files: &[&file], ..Draft::default() }.fill_in(&browser, &world.server.origin()).await?;
            world.secret(name);
            browser.press("button", "Create link").await?;
            if size == large {
                browser.said_within(STEP, "progressbar", |_| true).await?;
            }
            let link = link(world, &browser, BIG_STEP).await?;
            let sealing = browser.peak_memory()?;

            let reader = world.browser().await?;
            reader.open(&link).await?;
            reader.find_within(BIG_STEP, "link", name).await?;
            reader.press("link", name).await?;
            same_pattern(&reader.downloaded(name, BIG_STEP).await?, size, size)?;
            peaks.push((sealing, reader.peak_memory()?));
            std::fs::remove_file(file)?;
        }
        let more = |large: u64, small: u64| large.saturating_sub(small) / MIB;
        let (sealing, opening) = (more(peaks[1].0, peaks[0].0), more(peaks[1].1, peaks[0].1));
        println!("300 MiB instead of 8 MiB: {sealing} MiB more to seal, {opening} MiB more to open");
        // It is 10 to 24 MiB; garbage that was not collected yet is memory as well.
        ensure!(sealing < 48, "sealing 300 MiB takes {sealing} MiB more than 8 MiB");
        ensure!(opening < 48, "opening 300 MiB takes {opening} MiB more than 8 MiB");
        ensure!(world.server.peak_memory()? < 200 * MIB, "the server's memory grew to {}", world.server.peak_memory()?);
        Ok(())
    })
}

#[test]
fn needs_chromium_a_first_visit_is_a_small_one() -> Result<()> {
    scenario("first-visit", async |world| {
        let (browser, wire) = (world.browser().await?, world.wire().await?);
        browser.open(&wire.origin()).await?;
        browser.find("button", "Create link").await?;
        let asked = async || {
            let requests = browser.requests().await?;
            Ok::<_, anyhow::Error>(requests.into_iter().filter(|r| r.url.starts_with(&wire.origin())).count())
        };
        // The icon is asked for when all else is done.
        browser
            .until(STEP, "all requests", async || {
                let icon = browser.requests().await?.iter().any(|r| r.url.ends_with(".svg"));
                Ok(icon.then_some(()))
            })
            .await?;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let (requests, bytes) = (asked().await?, wire.answered());
        println!("a first visit: {bytes} bytes in {requests} requests");
        ensure!(bytes < 100_000, "a first visit takes {bytes} bytes");
        ensure!(requests < 8, "a first visit takes {requests} requests");
        Ok(())
    })
}
