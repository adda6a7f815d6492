//! How pastes end: by time, by their maker, and not by a server's restart.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Key, STEP, Server, World, scenario};
use tokio::time::sleep;

use crate::steps::{Draft, finds_nothing, id, shows};

#[test]
fn needs_chromium_an_expired_paste_is_gone_everywhere() -> Result<()> {
    scenario("expiry", async |world| {
        let text = "only for some seconds";
        world.secret(text);
        let put = world.pasteur(&["put", "--expires", "8s"]).input(text).run().await?.well()?;
        let link = put.link()?;
        world.link(&link)?;
        let info = world.server.info(id(&link)).await?;
        ensure!(info["expires_at"].as_u64() == info["created_at"].as_u64().map(|at| at + 8), "{info}");
        let browser = world.browser().await?;
        browser.open(&link).await?;
        shows(&browser, text).await?;
        sleep(Duration::from_secs(9)).await;
        let said = finds_nothing(&browser, &link).await?;
        ensure!(said.to_lowercase().contains("expired"), "the alert says {said:?}");
        let get = world.pasteur(&["get", "-"]).input(link.as_str()).run().await?;
        ensure!(get.code == 3 && get.output.is_empty(), "get ended with {}: {}", get.code, get.errors);
        ensure!(world.server.get(&format!("/api/v1/pastes/{}", id(&link))).await?.status == 404);
        Ok(())
    })
}

#[test]
fn needs_chromium_a_paste_is_deleted_by_its_maker_who_is_asked_first() -> Result<()> {
    scenario("deletion", deleted)
}

pub(crate) async fn deleted(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    let text = "regretted at once";
    let link = Draft { text, ..Draft::default() }.create(world, &browser).await?;
    browser.press("button", "Delete paste").await?;
    browser.said_within(STEP, "dialog", |_| true).await?;
    browser.key(Key::Escape).await?;
    let dialog_closed = async || Ok(browser.find_all("dialog", None).await?.is_empty().then_some(()));
    browser.until(STEP, "the dialog to close", dialog_closed).await?;
    world.server.info(id(&link)).await?;

    browser.press("button", "Delete paste").await?;
    browser.press("button", "Delete for ever").await?;
    browser.said("status").await?;
    browser
        .until(STEP, "the deletion", async || {
            let status = world.server.get(&format!("/api/v1/pastes/{}", id(&link))).await?.status;
            Ok((status == 404).then_some(()))
        })
        .await?;
    let other = world.browser().await?;
    finds_nothing(&other, &link).await?;
    Ok(())
}

#[test]
fn needs_chromium_pastes_outlive_the_server() -> Result<()> {
    scenario("restart", async |world| {
        let browser = world.browser().await?;
        let text = "still here tomorrow";
        let mut server = world.another_server(&[]).await?;
        let link = Draft { text, ..Draft::default() }.create_at(world, &browser, &server.origin()).await?;
        server.stop().await?;
        let again = world.another_server(&[]).await?;
        browser.open(&crate::steps::through(&link, &again.origin())?).await?;
        shows(&browser, text).await?;
        // The power fails.
        let (store, link) = (again.store().to_owned(), link);
        drop::<Server>(again);
        let last = world.another_server(&[]).await?;
        ensure!(last.store() == store);
        browser.open(&crate::steps::through(&link, &last.origin())?).await?;
        shows(&browser, text).await
    })
}
