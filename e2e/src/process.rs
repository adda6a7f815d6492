//! What /proc knows of processes.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The largest resident memory a process ever had, in bytes (`VmHWM` of proc(5)).
///
/// # Errors
/// There is no such process.
pub fn peak_memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid}"))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).context("the process has no memory")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}

/// The processes that render pages for the Chromium with this profile.
pub(crate) fn renderers(profile: &Path) -> Result<Vec<u32>> {
    let own = format!("--user-data-dir={}", profile.display());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end while it is being looked at.
        let Ok(command) = fs::read(format!("/proc/{pid}/cmdline")) else { continue };
        let command = String::from_utf8_lossy(&command);
        // Arguments are separated by NUL, but Chromium's zygote writes its children's with blanks.
        if command.contains("--type=renderer") && command.contains(&own) {
            found.push(pid);
        }
    }
    Ok(found)
}
