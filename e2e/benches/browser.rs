//! What a visitor sees, in a real Chromium: `cargo xtask bench browser` runs this and reads the lines `name: number`. Each number is
//! the median of some rounds, every round in a browser that remembers nothing. Nothing fails for being slow.

use anyhow::{Context, Result};
use e2e::{STEP, World, pattern_file, scenario, write_file};

/// The create page can be used.
const CREATE_READY: &str = "document.querySelector('#create:not([hidden])')";

/// The show page shows text.
const TEXT_SHOWN: &str = "document.querySelector('#paste:not([hidden])')?.textContent";

/// Presses "Create link" and waits for the link; milliseconds.
const CREATE: &str = "new Promise(done => { \
    const start = performance.now(); \
    const look = () => document.querySelector('#link').value ? done(performance.now() - start) : requestAnimationFrame(look); \
    document.querySelector('#submit').click(); look(); })";

fn main() -> Result<()> {
    // `cargo bench` always says `--bench`; `--test` asks for a single round.
    let rounds = if std::env::args().any(|arg| arg == "--test") { 1 } else { 7 };
    print(&repeat(rounds, first_visit)?, ["visit_kb", "visit_requests", "ready_ms"]);
    print(&repeat(rounds, create)?, ["create_5_mib_ms"]);
    print(&repeat(rounds, show)?, ["text_1_mib_ms"]);
    Ok(())
}

/// Kilobytes that the server sends, requests, and milliseconds until the page can be used.
async fn first_visit(world: &World) -> Result<[f64; 3]> {
    let (browser, wire) = (world.browser().await?, world.wire().await?);
    browser.note(CREATE_READY).await?;
    browser.open(&wire.origin()).await?;
    let ready = browser.noted().await?;
    // An icon is asked for when all else is done.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let requests = browser.requests().await?.iter().filter(|request| request.url.starts_with(&wire.origin())).count();
    Ok([wire.answered() as f64 / 1000.0, requests as f64, ready])
}

/// Milliseconds from the button to the link.
async fn create(world: &World) -> Result<[f64; 1]> {
    let file = pattern_file(world.folder(), "five.bin", 5 << 20, 5)?;
    let browser = world.browser().await?;
    browser.open(&world.server.origin()).await?;
    browser.find("button", "Create link").await?;
    browser.find("button", "Files").await?.choose_files(&[&file]).await?;
    Ok([browser.evaluate(CREATE).await?.as_f64().context("no time")?])
}

/// Milliseconds from following the link to the frame with text.
async fn show(world: &World) -> Result<[f64; 1]> {
    let link = put_text(world).await?;
    let browser = world.browser().await?;
    browser.note(TEXT_SHOWN).await?;
    browser.open(&link).await?;
    Ok([browser.noted().await?])
}

/// The link of a text of 1 MiB.
async fn put_text(world: &World) -> Result<String> {
    let mut text = String::new();
    for line in 0.. {
        text.push_str(&format!("{line:07} Nov 26 09:30:00 host kernel: a line of a log, as people paste them\n"));
        if text.len() >= 1 << 20 {
            break;
        }
    }
    text.truncate(1 << 20);
    let file = write_file(world.folder(), "text", text)?;
    let put = world.pasteur(&["put", "-"]).input(std::fs::read(file)?).run();
    tokio::time::timeout(STEP, put).await??.well()?.link()
}

/// Each round is in a world of its own: browsers of earlier ones would take their part of the machine.
fn repeat<const N: usize>(
    rounds: usize,
    mut measure: impl AsyncFnMut(&World) -> Result<[f64; N]>,
) -> Result<Vec<[f64; N]>> {
    let mut all = Vec::new();
    for _ in 0..rounds {
        scenario("bench", async |world| {
            all.push(measure(world).await?);
            Ok(())
        })?;
    }
    Ok(all)
}

fn print<const N: usize>(rounds: &[[f64; N]], names: [&str; N]) {
    for (at, name) in names.into_iter().enumerate() {
        let mut values: Vec<f64> = rounds.iter().map(|round| round[at]).collect();
        values.sort_by(f64::total_cmp);
        println!("{name}: {:.1}", values[values.len() / 2]);
    }
}
