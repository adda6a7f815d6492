//! Benches that the crates bring themselves.

use anyhow::{Context, Result};

use super::Bench;
use super::report::Goal;
use crate::shell;

/// Sealing speed of the envelope, against the cipher's alone.
pub(super) fn envelope(bench: &mut Bench) -> Result<()> {
    let printed = envelope_bench(bench.quick)?;
    let (alone, seal, open) =
        (rate(&printed, "AES-256-GCM alone, seal")?, rate(&printed, "SealReader")?, rate(&printed, "OpenReader")?);
    bench.report.add("AES-256-GCM alone", alone, "GiB/s", Goal::None);
    bench.report.add("sealing a stream", seal, "GiB/s", Goal::AtLeast(1.5));
    // The cipher is as fast as memory, and a stream is copied twice: these say how much of its time that takes.
    bench.report.add("sealing a stream against the cipher alone", seal / alone, "x", Goal::None);
    bench.report.add("opening a stream against the cipher alone", open / alone, "x", Goal::None);
    Ok(())
}

/// The store by itself; its bench prints a table of its own.
pub(super) fn store(bench: &mut Bench) -> Result<()> {
    shell::run(shell::cargo().args(["bench", "--package", "store", "--bench", "embedded"]).args(small(bench.quick)))
}

/// The form parser and its peers; its bench prints a table of its own.
pub(super) fn multipart(bench: &mut Bench) -> Result<()> {
    let mut cargo = shell::cargo();
    cargo.args(["bench", "--package", "multipart-form", "--bench", "multipart"]);
    shell::run(cargo.args(if bench.quick { &["--", "--quick"][..] } else { &[] }))
}

/// The stack on a TAP device, beside the kernel's own, and what lost packets cost it.
pub(super) fn netstack(bench: &mut Bench) -> Result<()> {
    let mut cargo = shell::cargo();
    cargo.args(["bench", "--package", "host", "--bench", "tap"]).args(small(bench.quick));
    let printed = shell::output(&mut cargo).context("the TAP device's bench fails")?;
    for way in ["from the kernel", "to the kernel"] {
        let (whole, lossy) = (gbit(&printed, way)?, gbit(&printed, &format!("{way}, 1% lost"))?);
        bench.report.add(format!("netstack over TAP, {way}"), whole, "Gbit/s", Goal::AtLeast(1.0));
        bench.report.add(format!("netstack over TAP, {way}, with 1% lost"), lossy / whole, "x", Goal::AtLeast(0.5));
    }
    Ok(())
}

/// GiB a second that this machine seals, in memory and by one thread.
pub(super) fn sealing_rate(quick: bool) -> Result<f64> {
    rate(&envelope_bench(quick)?, "SealReader")
}

fn envelope_bench(quick: bool) -> Result<String> {
    let mut cargo = shell::cargo();
    cargo.args(["bench", "--package", "envelope", "--bench", "seal"]).args(small(quick));
    shell::output(&mut cargo).context("the envelope's bench fails")
}

fn small(quick: bool) -> &'static [&'static str] {
    if quick { &["--", "--test"] } else { &[] }
}

fn rate(printed: &str, name: &str) -> Result<f64> {
    figure(printed, name, " GiB/s")
}

fn gbit(printed: &str, name: &str) -> Result<f64> {
    figure(printed, name, " Gbit/s")
}

fn figure(printed: &str, name: &str, unit: &str) -> Result<f64> {
    let line = printed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.strip_suffix(unit));
    line.and_then(|rate| rate.parse().ok()).with_context(|| format!("no {name} in {printed:?}"))
}
