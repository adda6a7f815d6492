//! Wrong, cut and mistyped links: told before anything is sent, and harmless.

use anyhow::{Result, ensure};
use e2e::scenario;

use crate::steps::{Draft, WRONG_TOKEN, finds_nothing, id, shows};

#[test]
fn needs_chromium_a_damaged_link_is_told_before_anything_is_sent() -> Result<()> {
    scenario("damaged-links", async |world| {
        let browser = world.browser().await?;
        let text = "still here after all of this";
        let link = Draft { text, burn: true, ..Draft::default() }.create(world, &browser).await?;
        let (base, fragment) = link.split_once('#').unwrap_or_default();
        let other = if fragment.as_bytes()[20] == b'A' { 'B' } else { 'A' };
        let damaged = [
            ("cut by one", fragment[..48].to_owned()),
            ("cut in half", fragment[..24].to_owned()),
            ("empty", String::new()),
            ("mistyped", format!("{}{other}{}", &fragment[..20], &fragment[21..])),
            ("longer", format!("{fragment}A")),
            ("with a dot behind", format!("{fragment}.")),
            ("of another version", format!("2{}", &fragment[1..])),
            ("something else", "section-3".to_owned()),
        ];
        let before = browser.requests().await?.len();
        for (what, fragment) in damaged {
            browser.open(&format!("{base}#{fragment}")).await?;
            let said = browser.said("alert").await?;
            ensure!(said.to_lowercase().contains("link"), "{what}: the alert says {said:?}");
            ensure!(!browser.has("button", "Read and destroy").await?, "{what}: it can be read");
        }
        let sent = browser.requests().await?.split_off(before);
        let sent: Vec<_> = sent.iter().filter(|r| r.url.contains("/api/v1/pastes")).collect();
        ensure!(sent.is_empty(), "a damaged link was asked for: {sent:?}");
        browser.open(&link).await?;
        browser.press("button", "Read and destroy").await?;
        shows(&browser, text).await
    })
}

#[test]
fn needs_chromium_a_link_of_something_else_opens_nothing_and_burns_nothing() -> Result<()> {
    scenario("wrong-links", async |world| {
        let browser = world.browser().await?;
        let text = "reached by its own link alone";
        let mine = Draft { text, burn: true, ..Draft::default() }.create(world, &browser).await?;
        let other = Draft { text: "another", ..Draft::default() }.create(world, &browser).await?;
        let (_, others_secret) = other.split_once('#').unwrap_or_default();
        let mixed = format!("{}#{others_secret}", mine.split('#').next().unwrap_or_default());
        browser.forgive(WRONG_TOKEN);
        browser.open(&mixed).await?;
        browser.press("button", "Read and destroy").await?;
        let said = browser.said("alert").await?;
        ensure!(said.to_lowercase().contains("link"), "the alert says {said:?}");
        ensure!(world.server.info(id(&mine)).await?["state"] == "open", "a wrong link claimed the paste");

        let unknown = mine.replace(id(&mine), "111111111111");
        let said = finds_nothing(&browser, &unknown).await?;
        ensure!(said.len() > 20, "the alert says {said:?}");
        // An id that was cut leads to no page of a paste.
        let answer = world.server.get(&format!("/{}", &id(&mine)[..11])).await?;
        ensure!(answer.status == 404, "a cut id was answered by {}", answer.status);
        // In words, to a person.
        browser.open(&format!("{}/{}", world.server.origin(), &id(&mine)[..11])).await?;
        let said = browser.readable().await?;
        ensure!(said.contains("cut") && said.contains("New paste"), "the page says {said:?}");

        browser.open(&mine).await?;
        browser.press("button", "Read and destroy").await?;
        shows(&browser, text).await
    })
}

/// Some programs write the # of a link as %23: the key is then a part of the path, and goes to the server.
#[test]
fn needs_chromium_a_link_whose_hash_was_escaped_is_explained() -> Result<()> {
    scenario("escaped-hash", async |world| {
        let browser = world.browser().await?;
        browser.forgive("the server responded with a status of 404");
        let made_up = format!("{}/1z1z23456789%231NotAKeyOfAnything{}", world.server.origin(), "x".repeat(31));
        browser.open(&made_up).await?;
        let said = browser.readable().await?;
        ensure!(said.contains("%23") && said.contains("put the # back"), "the page says {said:?}");
        ensure!(!world.server.log().contains("NotAKey"), "the log tells the path");
        // The command line sends nothing of it.
        let link = Draft { text: "by hand", ..Draft::default() }.create(world, &browser).await?;
        let got = world.pasteur(&["get", "-"]).input(link.replace('#', "%23")).run().await?.well()?;
        ensure!(got.output == b"by hand", "it got {:?}", got.output);
        Ok(())
    })
}
