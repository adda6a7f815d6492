//! Burn after reading: exactly one reader, and nobody burns by accident.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{BIG_STEP, Browser, STEP, World, pattern_file, same_pattern, scenario};
use hyper::Method;
use tokio::time::sleep;

use crate::steps::{CLAIM_FIRST, Draft, WRONG_TOKEN, finds_nothing, id, shows, through};

const TEXT: &str = "this will self-destruct";

#[test]
fn needs_chromium_is_read_once_and_only_when_asked() -> Result<()> {
    scenario("burn", read_once)
}

pub(crate) async fn read_once(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    let link = Draft { text: TEXT, burn: true, ..Draft::default() }.create(world, &browser).await?;
    let reader = world.browser().await?;
    reader.open(&link).await?;
    reader.find("button", "Read and destroy").await?;
    // Time for a page that would claim by itself.
    sleep(Duration::from_secs(1)).await;
    let posts = reader.requests().await?.into_iter().filter(|r| r.method != "GET").collect::<Vec<_>>();
    ensure!(posts.is_empty(), "before the button was pressed: {posts:?}");
    ensure!(world.server.info(id(&link)).await?["state"] == "open");
    ensure!(!reader.has("region", "Paste").await?, "something is shown before the button was pressed");

    reader.press("button", "Read and destroy").await?;
    shows(&reader, TEXT).await?;
    is_gone(world, &link).await?;
    // The page holds the only copy, until that is taken elsewhere.
    reader.until(STEP, "the guard", async || Ok(reader.asks_before_it_is_left().await?.then_some(()))).await?;
    // So does the writer's, of the link.
    ensure!(browser.asks_before_it_is_left().await?, "a link that nobody copied is not guarded");
    browser.press("button", "Copy link").await?;
    browser.said_within(STEP, "status", |said| said.contains("copied")).await?;
    ensure!(!browser.asks_before_it_is_left().await?, "a link that was copied is guarded");
    reader.press("button", "Copy text").await?;
    reader.said_within(STEP, "status", |said| said.contains("copied")).await?;
    ensure!(!reader.asks_before_it_is_left().await?, "what was copied is guarded as if it were not");
    let said = finds_nothing(&reader, &link).await?;
    ensure!(said.len() > 20, "the alert says {said:?}");
    Ok(())
}

#[test]
fn needs_chromium_a_wrong_password_burns_nothing() -> Result<()> {
    scenario("burn-wrong-password", wrong_password)
}

pub(crate) async fn wrong_password(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    let draft = Draft { text: TEXT, burn: true, password: Some("the right one"), ..Draft::default() };
    let link = draft.create(world, &browser).await?;
    let guesser = world.browser().await?;
    guesser.forgive(WRONG_TOKEN);
    guesser.open(&link).await?;
    guesser.find("textbox", "Password").await?.type_in("the wrong one").await?;
    guesser.press("button", "Open").await?;
    // Where the page can only tell by claiming, the claim is refused.
    let said = guesser
        .until(STEP, "the refusal", async || {
            if guesser.has("button", "Read and destroy").await? {
                guesser.press("button", "Read and destroy").await?;
            }
            guesser.alert().await
        })
        .await?;
    ensure!(said.to_lowercase().contains("password"), "the alert says {said:?}");
    ensure!(world.server.info(id(&link)).await?["state"] == "open", "a wrong password claimed the paste");

    let wrong = world.pasteur(&["get", "-", "--password", "wrong as well"]).input(link.as_str()).run().await?;
    ensure!(wrong.code == 4, "the command line ended with {}: {}", wrong.code, wrong.errors);
    ensure!(world.server.info(id(&link)).await?["state"] == "open", "a wrong password claimed the paste");

    let reader = world.browser().await?;
    reader.forgive(CLAIM_FIRST);
    reader.open(&link).await?;
    reader.find("textbox", "Password").await?.type_in("the right one").await?;
    reader.press("button", "Open").await?;
    reader.press("button", "Read and destroy").await?;
    shows(&reader, TEXT).await
}

#[test]
fn needs_chromium_of_two_readers_one_wins() -> Result<()> {
    scenario("burn-race", two_readers)
}

pub(crate) async fn two_readers(world: &World) -> Result<()> {
    let first = world.browser().await?;
    let second = world.browser().await?;
    for round in 0..3 {
        let text = format!("for one of you only, round {round}");
        let link = Draft { text: &text, burn: true, ..Draft::default() }.create(world, &first).await?;
        for reader in [&first, &second] {
            reader.forgive("the server responded with a status of 410");
            reader.forgive("the server responded with a status of 404");
            reader.open(&link).await?;
            reader.find("button", "Read and destroy").await?;
        }
        let (one, other) =
            tokio::join!(first.press("button", "Read and destroy"), second.press("button", "Read and destroy"));
        one.and(other)?;
        let (one, other) = tokio::join!(outcome(&first, &text), outcome(&second, &text));
        ensure!(one? != other?, "both or neither of two readers got the paste in round {round}");
        is_gone(world, &link).await?;
    }
    Ok(())
}

/// Whether this reader got the text; if not, it was told.
async fn outcome(reader: &Browser, text: &str) -> Result<bool> {
    reader
        .until(STEP, "the text or an alert", async || {
            if reader.alert().await?.is_some() {
                return Ok(Some(false));
            }
            for region in reader.find_all("region", Some("Paste")).await? {
                if region.text_content().await? == text {
                    return Ok(Some(true));
                }
            }
            Ok(None)
        })
        .await
}

#[test]
fn needs_chromium_previews_and_scanners_burn_nothing() -> Result<()> {
    scenario("burn-preview", scanners)
}

pub(crate) async fn scanners(world: &World) -> Result<()> {
    let browser = world.browser().await?;
    let link = Draft { text: TEXT, burn: true, ..Draft::default() }.create(world, &browser).await?;
    let id = id(&link);
    let api = format!("/api/v1/pastes/{id}");
    for _ in 0..3 {
        let page = world.server.get(&format!("/{id}")).await?;
        ensure!(page.status == 200);
        ensure!(!String::from_utf8_lossy(&page.body).contains(id), "the page says something of the paste");
        world.server.info(id).await?;
        let content = world.server.get(&format!("{api}/content")).await?;
        ensure!(content.status == 401, "the content was answered by {}", content.status);
        ensure!(content.headers["content-type"] == "application/problem+json");
        // A scanner that presses what looks like a button.
        for (method, path, expected) in [
            (Method::POST, format!("{api}/claim"), 401),
            (Method::DELETE, api.clone(), 401),
            (Method::GET, format!("{api}/claim"), 405),
            (Method::HEAD, format!("/{id}"), 200),
            (Method::HEAD, format!("{api}/content"), 401),
        ] {
            let answer = world.server.ask(method.clone(), &path, &[]).await?;
            ensure!(answer.status == expected, "{method} {path} was answered by {}", answer.status);
        }
        let token = format!("Bearer {}", "A".repeat(43));
        let (claim, headers) = (format!("{api}/claim"), [("authorization", token.as_str())]);
        let claim = world.server.ask(Method::POST, &claim, &headers).await?;
        ensure!(claim.status == 403, "a claim with a wrong token was answered by {}", claim.status);
    }
    ensure!(world.server.info(id).await?["state"] == "open");
    // A preview that runs scripts, but presses nothing.
    let preview = world.browser().await?;
    preview.open(link.split('#').next().unwrap_or_default()).await?;
    preview.said("alert").await?;
    preview.open(&link).await?;
    preview.find("button", "Read and destroy").await?;
    ensure!(world.server.info(id).await?["state"] == "open");

    let reader = world.browser().await?;
    reader.open(&link).await?;
    reader.press("button", "Read and destroy").await?;
    shows(&reader, TEXT).await
}

/// A browser may hold back all but the first of several files that a page saves at once.
#[test]
fn needs_chromium_saving_all_of_several_keeps_the_only_copy_guarded() -> Result<()> {
    scenario("burn-save-all", async |world| {
        let browser = world.browser().await?;
        let file = e2e::write_file(world.folder(), "one-of-several.txt", "attached")?;
        let draft = Draft { text: TEXT, files: &[&file], burn: true, ..Draft::default() };
        let link = draft.create(world, &browser).await?;
        let reader = world.browser().await?;
        reader.open(&link).await?;
        reader.press("button", "Read and destroy").await?;
        shows(&reader, TEXT).await?;
        is_gone(world, &link).await?;
        reader.press("button", "Save all").await?;
        reader.said_within(STEP, "status", |said| said.contains("look whether all have come")).await?;
        ensure!(reader.asks_before_it_is_left().await?, "the page believes that all were saved");
        Ok(())
    })
}

const LARGE: u64 = 80 << 20;

/// The browser's room is smaller than the paste: that is said before it is claimed.
#[test]
fn needs_chromium_without_room_nothing_is_claimed() -> Result<()> {
    scenario("burn-no-room", async |world| {
        let file = pattern_file(world.folder(), "larger-than-the-room.bin", LARGE, 7)?;
        let path = file.to_str().unwrap_or_default();
        let link = world.pasteur(&["put", "--burn", path]).run().await?.well()?.link()?;
        let reader = world.browser().await?;
        let origin = world.server.origin();
        reader.open(&link).await?;
        reader.find("button", "Read and destroy").await?;
        let refused = async || {
            let said = reader.said("alert").await?;
            ensure!(said.contains("room") && said.contains("pasteur get"), "the alert says {said:?}");
            ensure!(!reader.has("button", "Read and destroy").await?, "it is offered all the same");
            ensure!(world.server.info(id(&link)).await?["state"] == "open", "it was claimed");
            Ok(())
        };
        // Said before it is offered, and also where the room is gone by the time the button is pressed.
        reader.room(&origin, 20 << 20).await?;
        reader.reload().await?;
        refused().await?;
        reader.room(&origin, 1 << 30).await?;
        reader.press("button", "Try again").await?;
        reader.find("button", "Read and destroy").await?;
        reader.room(&origin, 20 << 20).await?;
        reader.press("button", "Read and destroy").await?;
        refused().await?;
        // With room it is read; nothing was lost.
        reader.room(&origin, 1 << 30).await?;
        reader.press("button", "Try again").await?;
        reader.press("button", "Read and destroy").await?;
        is_saved(&reader).await
    })
}

/// The room runs out once the paste is claimed: this page alone may read it, so it has to be able to.
#[test]
fn needs_chromium_room_that_runs_out_loses_no_claimed_paste() -> Result<()> {
    scenario("burn-room-runs-out", async |world| {
        let file = pattern_file(world.folder(), "larger-than-the-room.bin", LARGE, 7)?;
        let path = file.to_str().unwrap_or_default();
        let link = world.pasteur(&["put", "--burn", path]).run().await?.well()?.link()?;
        let wire = world.wire().await?;
        let reader = world.browser().await?;
        let origin = wire.origin();
        reader.open(&through(&link, &origin)?).await?;
        reader.find("button", "Read and destroy").await?;
        wire.slow_down(16 << 20);
        reader.press("button", "Read and destroy").await?;
        let before = wire.answered();
        reader
            .until(STEP, "the first bytes", async || Ok((wire.answered() > before + (2 << 20)).then_some(())))
            .await?;
        ensure!(
            reader.asks_before_it_is_left().await?,
            "a paste that is arriving, and for this page alone, is not guarded"
        );
        reader.room(&origin, 20 << 20).await?;
        let said = reader.said_within(BIG_STEP, "alert", |said| said.contains("room")).await?;
        ensure!(said.contains("this page's alone") && !said.contains("pasteur get"), "the alert says {said:?}");
        ensure!(reader.asks_before_it_is_left().await?, "the page whose alone the paste is lets itself be closed");
        reader.room(&origin, 1 << 30).await?;
        reader.press("button", "Try again").await?;
        is_saved(&reader).await?;
        is_gone(world, &link).await?;
        // The file was saved by its link, and there is nothing else.
        ensure!(!reader.asks_before_it_is_left().await?, "a page without anything unsaved is guarded");
        Ok(())
    })
}

/// Saves the large file, and holds it to what was sent.
async fn is_saved(reader: &Browser) -> Result<()> {
    reader.said_within(BIG_STEP, "status", |said| said.contains("destroy")).await?;
    reader.press("link", "larger-than-the-room.bin").await?;
    same_pattern(&reader.downloaded("larger-than-the-room.bin", BIG_STEP).await?, LARGE, 7)
}

/// Waits until the server knows nothing of the paste any more: its reader destroys it once all has arrived.
async fn is_gone(world: &World, link: &str) -> Result<()> {
    for _ in 0..100 {
        let status = world.server.get(&format!("/api/v1/pastes/{}", id(link))).await?.status;
        if status == 404 || status == 410 {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the paste was read, but is not destroyed")
}
