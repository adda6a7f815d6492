//! Images of the toolchain's documentation, beside what mksquashfs and git make of the same folder on the same machine.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::report::Goal;
use super::{Bench, pages};
use crate::{paths, setup, shell};

/// Goals in bytes are for one folder: this toolchain's.
const TOOLCHAIN: &str = "1.95.0";

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    setup::programs(&[("mksquashfs", "squashfs-tools"), ("git", "git"), ("wrk", "wrk"), ("nginx", "nginx-light")])?;
    let source = documentation(bench.quick)?;
    shell::run(shell::cargo().args(["build", "--release", "--package", "docteur-cli"]))?;
    let squashfs = squashfs(bench, &source)?;
    let git = git(bench, &source)?;
    let known = !bench.quick && shell::output(Command::new("rustc").arg("-V")).is_some_and(|v| v.contains(TOOLCHAIN));
    let bytes = |most: f64| if known { Goal::AtMost(most) } else { Goal::None };

    let default = make(bench, &source, "default", &[])?;
    let report = &mut bench.report;
    report.add("default image", default.bytes / 1e6, "MB", bytes(27.5));
    report.add("default image against squashfs", default.bytes / squashfs.bytes, "x", Goal::AtMost(0.76));
    report.add("default image against git's pack and index", default.bytes / git, "x", Goal::AtMost(0.60));
    report.add(
        "default image, time to make against squashfs",
        default.seconds / squashfs.seconds,
        "x",
        Goal::AtMost(1.0),
    );
    reads(bench, &default, "default", 16.0, Some((120.0, 1200.0)))?;
    pages::run(bench, &program(), &default.file, &source)?;

    let quick = make(bench, &source, "quick", &["--level", "9"])?;
    bench.report.add("level 9 against squashfs", quick.bytes / squashfs.bytes, "x", Goal::AtMost(1.0));
    let time = quick.seconds / squashfs.seconds;
    bench.report.add("level 9, time to make against squashfs", time, "x", Goal::AtMost(0.25));

    let max = make(bench, &source, "max", &["--profile", "max"])?;
    bench.report.add("max image", max.bytes / 1e6, "MB", bytes(25.9));
    reads(bench, &max, "max", f64::INFINITY, None)?;

    let fast = make(bench, &source, "fast-read", &["--profile", "fast-read"])?;
    bench.report.add("fast-read image", fast.bytes / 1e6, "MB", Goal::None);
    reads(bench, &fast, "fast-read", 8.0, None)
}

/// Something that was made of the folder.
struct Made {
    file: PathBuf,
    bytes: f64,
    seconds: f64,
}

/// The folder of the toolchain's documentation, or one book of it.
fn documentation(quick: bool) -> Result<PathBuf> {
    let sysroot = shell::output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(paths::root()));
    let html = Path::new(sysroot.context("rustc does not say where it is")?.trim()).join("share/doc/rust/html");
    ensure!(html.is_dir(), "{} is missing: rustup component add rust-docs", html.display());
    Ok(if quick { html.join("nomicon") } else { html })
}

fn squashfs(bench: &mut Bench, source: &Path) -> Result<Made> {
    let file = bench.folder.join("squashfs");
    let mut command = Command::new("mksquashfs");
    command.arg(source).arg(&file).args(["-comp", "zstd", "-Xcompression-level", "22", "-b", "1M", "-processors", "2"]);
    let made = timed(command.args(["-noappend", "-quiet", "-no-progress"]), file)?;
    bench.report.add("squashfs, zstd 22, blocks of 1 MiB", made.bytes / 1e6, "MB", Goal::None);
    bench.report.add("squashfs, time to make on 2 processors", made.seconds, "s", Goal::None);
    Ok(made)
}

/// Bytes of git's pack and index after an aggressive collection.
fn git(bench: &mut Bench, source: &Path) -> Result<f64> {
    let folder = bench.folder.join("git");
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command.arg("--git-dir").arg(&folder).arg("--work-tree").arg(source);
        command.args(["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0"]).args(words);
        shell::run(command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1"))
    };
    git(&["init", "--quiet"])?;
    git(&["add", "--all", "--force"])?;
    git(&["commit", "--quiet", "--message", "all"])?;
    git(&["gc", "--quiet", "--aggressive", "--prune=now"])?;
    let mut bytes = 0;
    for entry in fs::read_dir(folder.join("objects/pack"))? {
        let entry = entry?;
        if matches!(entry.path().extension().and_then(OsStr::to_str), Some("pack" | "idx")) {
            bytes += entry.metadata()?.len();
        }
    }
    fs::remove_dir_all(folder)?;
    bench.report.add("git's pack and index, gc --aggressive", bytes as f64 / 1e6, "MB", Goal::None);
    Ok(bytes as f64)
}

fn make(bench: &Bench, source: &Path, name: &str, options: &[&str]) -> Result<Made> {
    let file = bench.folder.join(format!("{name}.img"));
    timed(docteur().arg("make").arg(source).arg(&file).args(["--threads", "2"]).args(options), file)
}

/// Reads of random files, by `docteur bench`; goals in MiB, and in microseconds for median and 99th percentile.
fn reads(bench: &mut Bench, made: &Made, name: &str, memory: f64, micros: Option<(f64, f64)>) -> Result<()> {
    let printed = shell::output(docteur().arg("bench").arg(&made.file)).context("docteur bench fails")?;
    let figures: serde_json::Value = serde_json::from_str(&printed)?;
    let figure = |key: &str| figures.get(key).and_then(serde_json::Value::as_f64).with_context(|| format!("no {key}"));
    let most = |goal: Option<f64>| goal.map_or(Goal::None, Goal::AtMost);
    let (median, p99) = (figure("cpu_median_us")?, figure("cpu_p99_us")?);
    let report = &mut bench.report;
    report.add(format!("{name}: a random file, median"), median, "us of CPU", most(micros.map(|goal| goal.0)));
    report.add(format!("{name}: a random file, 99th percentile"), p99, "us of CPU", most(micros.map(|goal| goal.1)));
    report.add(format!("{name}: to open and find the root"), figure("open_us")?, "us", Goal::AtMost(1000.0));
    let memory = Some(memory).filter(|memory| memory.is_finite());
    report.add(format!("{name}: peak resident while reading"), figure("peak_rss_kib")? / 1024.0, "MiB", most(memory));
    Ok(())
}

fn docteur() -> Command {
    Command::new(program())
}

fn program() -> PathBuf {
    paths::target().join("release/docteur")
}

fn timed(command: &mut Command, file: PathBuf) -> Result<Made> {
    let start = Instant::now();
    shell::run(command)?;
    let seconds = start.elapsed().as_secs_f64();
    let bytes = fs::metadata(&file).with_context(|| file.display().to_string())?.len() as f64;
    Ok(Made { file, bytes, seconds })
}
