//! Images of documentation, beside what mksquashfs and git make of the same folders on the same machine. The group is done in parts, of
//! which none takes more than half an hour on two processors.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use super::corpora::{self, Corpus};
use super::report::Goal;
use super::{Bench, Group, long, pages, squashed};
use crate::{paths, setup, shell};

/// What `--parts` can name.
pub(super) const PARTS: &[Group] = &[
    ("r1", r1),
    ("served", served),
    ("profiles", profiles),
    ("cores", cores),
    ("w", w),
    ("long", long::run),
    ("r2", r2),
    ("d", d),
];
/// These want what not every machine has: they are done only if they are named.
const ON_REQUEST: &[&str] = &["r2", "d"];

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    setup::programs(&[("mksquashfs", "squashfs-tools"), ("git", "git"), ("wrk", "wrk"), ("nginx", "nginx-light")])?;
    shell::run(shell::cargo().args(["build", "--release", "--package", "docteur-cli"]))?;
    for (name, part) in PARTS {
        let named = bench.parts.iter().any(|part| part == name);
        let wanted = named || bench.parts.is_empty() && !ON_REQUEST.contains(name);
        if wanted {
            shell::step(&format!("bench docteur, part {name}"), || part(bench))?;
        }
    }
    Ok(())
}

/// The toolchain's documentation: all that the default profile promises.
fn r1(bench: &mut Bench) -> Result<()> {
    let corpus = corpora::toolchain(bench)?;
    let source = corpus.folder.clone();
    let bytes = |most: f64| if is_r1(&corpus) { Goal::AtMost(most) } else { Goal::None };
    let squashfs = squashfs(bench, "R1", &source)?;
    let goals = if is_r1(&corpus) { (0.76, 0.60) } else { SMALLEST };
    let default = peers(bench, "R1", &source, &squashfs, goals, bytes(27.5))?;
    bench.report.add(
        "R1, default image, time to make against squashfs",
        default.seconds / squashfs.seconds,
        "x",
        Goal::AtMost(1.0),
    );
    let median = reads(bench, &default, "default", None, Some((120.0, 1200.0)))?;
    squashed::run(bench, &squashfs.file, median)?;

    let quick = make(bench, &source, "quick", &["--threads", "2", "--level", "9"])?;
    bench.report.add("R1, level 9 against squashfs", quick.bytes / squashfs.bytes, "x", Goal::AtMost(1.0));
    let time = quick.seconds / squashfs.seconds;
    bench.report.add("R1, level 9, time to make against squashfs", time, "x", Goal::AtMost(0.25));
    let short = make(bench, &source, "short", &["--level", "9", "--segment", "1048576"])?;
    reads(bench, &short, "segments of 1 MiB", Some(16.0), None)?;
    Ok(())
}

/// The same, served by `docteur serve` and by nginx.
fn served(bench: &mut Bench) -> Result<()> {
    let corpus = corpora::toolchain(bench)?;
    let made = make(bench, &corpus.folder, "served", &[])?;
    pages::run(bench, &program(), &made.file, &corpus.folder)
}

/// The other profiles.
fn profiles(bench: &mut Bench) -> Result<()> {
    let corpus = corpora::toolchain(bench)?;
    let most = if is_r1(&corpus) { Goal::AtMost(25.9) } else { Goal::None };
    let max = make(bench, &corpus.folder, "max", &["--profile", "max"])?;
    bench.report.add("R1, max image", max.bytes / 1e6, "MB", most);
    bench.report.add("R1, max image, time to make", max.seconds, "s", Goal::None);
    reads(bench, &max, "max", None, None)?;

    let fast = make(bench, &corpus.folder, "fast-read", &["--profile", "fast-read"])?;
    bench.report.add("R1, fast-read image", fast.bytes / 1e6, "MB", Goal::None);
    reads(bench, &fast, "fast-read", Some(8.0), None)?;
    Ok(())
}

/// What a second processor gains.
fn cores(bench: &mut Bench) -> Result<()> {
    let corpus = corpora::toolchain(bench)?;
    let mut alone = None;
    for threads in ["1", "2"] {
        let made = make(bench, &corpus.folder, "cores", &["--level", "9", "--threads", threads])?;
        bench.report.add(format!("R1, level 9, threads: {threads}, time to make"), made.seconds, "s", Goal::None);
        let alone = *alone.get_or_insert(made.seconds);
        bench.report.add(
            format!("R1, level 9, threads: {threads}, speed against one"),
            alone / made.seconds,
            "x",
            Goal::None,
        );
    }
    Ok(())
}

/// Two versions of the same documentation.
fn r2(bench: &mut Bench) -> Result<()> {
    let corpus = corpora::two_toolchains(bench)?;
    let most = if corpus.is(117_435, 1_365_915_666) { Goal::AtMost(44.5) } else { Goal::None };
    sizes(bench, "R2", &corpus, SMALLEST, most)
}

/// Documentation of three languages.
fn d(bench: &mut Bench) -> Result<()> {
    let corpus = corpora::debian(bench)?;
    let most = if corpus.is(19_413, 426_685_738) { Goal::AtMost(31.0) } else { Goal::None };
    sizes(bench, "D", &corpus, SMALLEST, most)
}

/// A small site. The goal was 199,000 bytes for one of which squashfs makes 200,704 (42 files, 950,618 bytes). That folder is nobody's any
/// more, and this one changes with the project, so the goal is that part of what squashfs makes of it in the same run.
fn w(bench: &mut Bench) -> Result<()> {
    let corpus = corpora::site(bench)?;
    sizes(bench, "W", &corpus, (199_000.0 / 200_704.0, SMALLEST.1), Goal::None)
}

/// Goals against squashfs and git: of any folder an image is the smallest of the three.
const SMALLEST: (f64, f64) = (1.0, 1.0);

fn is_r1(corpus: &Corpus) -> bool {
    corpus.is(51_906, 652_023_697)
}

/// How large a default image is beside its peers.
fn sizes(bench: &mut Bench, name: &str, corpus: &Corpus, goals: (f64, f64), most: Goal) -> Result<()> {
    let squashfs = squashfs(bench, name, &corpus.folder)?;
    peers(bench, name, &corpus.folder, &squashfs, goals, most).map(drop)
}

/// That an image unpacks to its source, in contents by `diff`, and in all that is recorded by an image of what was unpacked, which is made
/// out of the first and has to be the same.
fn comes_back(bench: &Bench, source: &Path, image: &Path) -> Result<()> {
    let (unpacked, again) = (bench.folder.join("unpacked"), bench.folder.join("again.img"));
    shell::run(docteur().arg("extract").args([image, &unpacked]))?;
    shell::run(Command::new("diff").args(["--recursive", "--no-dereference"]).args([source, &unpacked]))?;
    shell::run(docteur().arg("make").args([&unpacked, &again]).arg("--append").arg(image))?;
    shell::run(Command::new("cmp").args([image, &again]))?;
    fs::remove_file(again)?;
    Ok(fs::remove_dir_all(unpacked)?)
}

/// A default image, and how it stands against squashfs and git.
fn peers(
    bench: &mut Bench,
    name: &str,
    source: &Path,
    squashfs: &Made,
    (of_squashfs, of_git): (f64, f64),
    most: Goal,
) -> Result<Made> {
    let git = git(bench, name, source)?;
    let made = make(bench, source, "default", &["--threads", "2"])?;
    comes_back(bench, source, &made.file)?;
    let report = &mut bench.report;
    report.add(format!("{name}, default image"), made.bytes / 1e6, "MB", most);
    report.add(
        format!("{name}, default image against squashfs"),
        made.bytes / squashfs.bytes,
        "x",
        Goal::AtMost(of_squashfs),
    );
    report.add(
        format!("{name}, default image against git's pack and index"),
        made.bytes / git,
        "x",
        Goal::AtMost(of_git),
    );
    report.add(format!("{name}, default image, time to make"), made.seconds, "s", Goal::None);
    Ok(made)
}

/// Something that was made of the folder.
pub(super) struct Made {
    pub(super) file: PathBuf,
    bytes: f64,
    seconds: f64,
}

fn squashfs(bench: &mut Bench, name: &str, source: &Path) -> Result<Made> {
    let file = bench.folder.join("squashfs");
    let mut command = Command::new("mksquashfs");
    command.arg(source).arg(&file).args(["-comp", "zstd", "-Xcompression-level", "22", "-b", "1M", "-processors", "2"]);
    let made = timed(command.args(["-noappend", "-quiet", "-no-progress"]), file)?;
    bench.report.add(format!("{name}, squashfs, zstd 22, blocks of 1 MiB"), made.bytes / 1e6, "MB", Goal::None);
    bench.report.add(format!("{name}, squashfs, time to make on 2 processors"), made.seconds, "s", Goal::None);
    Ok(made)
}

/// Bytes of git's pack and index after an aggressive collection.
fn git(bench: &mut Bench, name: &str, source: &Path) -> Result<f64> {
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
    bench.report.add(format!("{name}, git's pack and index, gc --aggressive"), bytes as f64 / 1e6, "MB", Goal::None);
    Ok(bytes as f64)
}

fn make(bench: &Bench, source: &Path, name: &str, options: &[&str]) -> Result<Made> {
    let file = bench.folder.join(format!("{name}.img"));
    timed(docteur().arg("make").arg(source).arg(&file).args(options), file)
}

/// Reads of random files, by `docteur bench`; goals in MiB, and in microseconds for median and 99th percentile. Gives the median.
fn reads(bench: &mut Bench, made: &Made, name: &str, memory: Option<f64>, micros: Option<(f64, f64)>) -> Result<f64> {
    let printed = shell::output(docteur().arg("bench").arg(&made.file)).context("docteur bench fails")?;
    let figures: serde_json::Value = serde_json::from_str(&printed)?;
    let figure = |key: &str| figures.get(key).and_then(serde_json::Value::as_f64).with_context(|| format!("no {key}"));
    let most = |goal: Option<f64>| goal.map_or(Goal::None, Goal::AtMost);
    let (median, p99) = (figure("cpu_median_us")?, figure("cpu_p99_us")?);
    let report = &mut bench.report;
    report.add(format!("{name}: a random file, median"), median, "us of CPU", most(micros.map(|goal| goal.0)));
    report.add(format!("{name}: a random file, 99th percentile"), p99, "us of CPU", most(micros.map(|goal| goal.1)));
    report.add(format!("{name}: to open and find the root"), figure("open_us")?, "us", Goal::AtMost(1000.0));
    report.add(format!("{name}: peak resident while reading"), figure("peak_rss_kib")? / 1024.0, "MiB", most(memory));
    Ok(median)
}

pub(super) fn docteur() -> Command {
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
