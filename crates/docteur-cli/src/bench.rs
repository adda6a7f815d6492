//! `docteur bench`: what a read of a random file costs, with nothing cached but the base.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use docteur::{Cache, Kind, Walk};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::look;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The image
    image: PathBuf,
    /// How many files are read
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    reads: u32,
    /// Which
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let start = Instant::now();
    let image = look::open(&arguments.image)?;
    let mut cache = Cache::new(0);
    let damaged = look::damaged(&arguments.image);
    image.find(&mut cache, b"").map_err(&damaged)?.context("the image has no root")?;
    let opened = start.elapsed();

    let paths = sample(&image, &mut cache, arguments).map_err(&damaged)?;
    if paths.is_empty() {
        bail!("{} has no files", arguments.image.display());
    }
    let (mut cpu, mut wall, mut bytes) = (Vec::new(), Vec::new(), 0);
    // The first read decodes the base.
    read(&image, &mut cache, paths.first().map_or(b"", Vec::as_slice)).map_err(&damaged)?;
    let base = cache.sibling();
    for path in &paths {
        cache.clear();
        let (start, used) = (Instant::now(), cpu_time());
        bytes += read(&image, &mut cache, path).map_err(&damaged)?;
        cpu.push(cpu_time().saturating_sub(used));
        wall.push(start.elapsed());
    }
    drop(base);
    let micros = |time: Duration| (time.as_secs_f64() * 1e7).round() / 10.0;
    let figures = json!({
        "reads": paths.len(),
        "bytes": bytes,
        "open_us": micros(opened),
        "cpu_median_us": micros(percentile(&mut cpu, 50)),
        "cpu_p99_us": micros(percentile(&mut cpu, 99)),
        "wall_median_us": micros(percentile(&mut wall, 50)),
        "wall_p99_us": micros(percentile(&mut wall, 99)),
        "peak_rss_kib": peak()?,
    });
    writeln!(std::io::stdout(), "{figures:#}")?;
    Ok(ExitCode::SUCCESS)
}

type Image = docteur::Image<docteur::FileSource>;

fn read(image: &Image, cache: &mut Cache, path: &[u8]) -> Result<u64, docteur::Error<std::io::Error>> {
    // A path of the sample is one of a file.
    let Some(Kind::File(content)) = image.find(cache, path)?.map(|entry| entry.kind) else { return Ok(0) };
    let mut done = 0;
    while done < content.size {
        done += image.piece_of(cache, &content, done, usize::MAX)?.len() as u64;
    }
    Ok(done)
}

/// A fair sample of the files, which takes no memory for the others.
fn sample(
    image: &Image,
    cache: &mut Cache,
    arguments: &Arguments,
) -> Result<Vec<Vec<u8>>, docteur::Error<std::io::Error>> {
    let mut state = arguments.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % below
    };
    let (mut walk, mut seen, mut paths) = (Walk::new(), 0_u64, Vec::new());
    while let Some(entry) = walk.next(image, cache)? {
        if !matches!(entry.kind, Kind::File(_)) {
            continue;
        }
        seen += 1;
        if paths.len() < arguments.reads as usize {
            paths.push(entry.path);
        } else if let Some(slot) = paths.get_mut(random(seen) as usize) {
            *slot = entry.path;
        }
    }
    // Of few files each is read as often as it takes.
    let files = paths.len();
    (files..arguments.reads as usize).for_each(|n| paths.extend(paths.get(n % files.max(1)).cloned()));
    // One after the other would find neighbours.
    for n in (1..paths.len()).rev() {
        paths.swap(n, random(n as u64 + 1) as usize);
    }
    Ok(paths)
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// The most memory this process has had, in KiB.
fn peak() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("the system does not say it")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
