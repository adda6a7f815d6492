//! What a visitor's browser sees: measured by the end-to-end harness with a real Chromium.

use anyhow::{Context, Result};

use super::Bench;
use super::report::Goal;
use crate::{setup, shell};

/// What the harness prints, as `name: number`; the figure's name, unit and goal.
const FIGURES: &[(&str, &str, &str, Goal)] = &[
    ("visit_kb", "first visit of the create page, over the wire", "KB", Goal::AtMost(100.0)),
    ("visit_requests", "first visit, requests", "", Goal::AtMost(7.0)),
    ("ready_ms", "create page ready", "ms", Goal::AtMost(250.0)),
    ("create_5_mib_ms", "5 MiB sealed and sent", "ms", Goal::AtMost(400.0)),
    ("text_1_mib_ms", "first screen of a 1 MiB text from the link's opening", "ms", Goal::AtMost(300.0)),
];

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    setup::programs(&[("chromium", "chromium"), ("chromedriver", "chromium-driver")])?;
    let mut cargo = shell::cargo();
    cargo.args(["bench", "--package", "e2e", "--bench", "browser"]).env("PASTEUR_BIN", &bench.program);
    if bench.quick {
        cargo.args(["--", "--test"]);
    }
    let printed = shell::output(&mut cargo).context("the browser's bench fails: cargo bench -p e2e")?;
    for (key, name, unit, goal) in FIGURES {
        let value = printed.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")?.parse::<f64>().ok());
        bench.report.add(*name, value.with_context(|| format!("no {key} in {printed:?}"))?, unit, *goal);
    }
    Ok(())
}
