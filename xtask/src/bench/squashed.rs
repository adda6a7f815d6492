//! Reads of random files of a squashfs image, by the kernel.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

use super::Bench;
use super::corpora::files;
use super::report::Goal;
use crate::shell;

/// How many files are read.
const READS: usize = 1000;

/// Adds the processor time of a random file of `image`, and `ours`, an image's median in microseconds, against it. Where this machine may
/// not mount it says so.
pub(super) fn run(bench: &mut Bench, image: &Path, ours: f64) -> Result<()> {
    let folder = bench.folder.join("mounted");
    fs::create_dir_all(&folder)?;
    let mut mount = Command::new("mount");
    mount.args(["-t", "squashfs", "-o", "loop,ro"]).args([image, &folder]);
    if let Err(error) = shell::run(&mut mount) {
        println!("    left out, reads of squashfs: {error:#}");
        return Ok(());
    }
    let _mounted = Mounted(&folder);
    let mut all = files(&folder)?;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut times = Vec::new();
    while times.len() < READS && !all.is_empty() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let path = all.swap_remove((state >> 11) as usize % all.len());
        let before = used();
        fs::read(&path).with_context(|| path.display().to_string())?;
        times.push(used() - before);
    }
    times.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().context("squashfs has no files");
    let (median, p99) = (at(50)?, at(99)?);
    let report = &mut bench.report;
    report.add("squashfs: a random file, median", median, "us of CPU", Goal::None);
    report.add("squashfs: a random file, 99th percentile", p99, "us of CPU", Goal::None);
    report.add("default: a random file, median, against squashfs", ours / median, "x", Goal::AtMost(0.3));
    Ok(())
}

/// Microseconds that this thread has been on a processor, in the kernel or not.
fn used() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        if let Err(error) = shell::run(Command::new("umount").arg(self.0)) {
            println!("    {error:#}");
        }
    }
}
