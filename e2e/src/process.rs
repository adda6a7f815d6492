//! What /proc knows of processes.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

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
    let own = own(profile);
    commands(|command| command.contains("--type=renderer") && command.contains(&own))
}

/// The processes, of whatever kind, of the Chromium with this profile. One that has ended and was not reaped is none.
pub(crate) fn browsing_in(profile: &Path) -> Result<Vec<u32>> {
    let own = own(profile);
    commands(|command| command.contains(&own))
}

/// The browsers, drivers, servers and runners of machines whose command lines say that they keep their files in this folder.
pub(crate) fn working_in(folder: &Path) -> Result<Vec<u32>> {
    let folder = folder.display();
    let own =
        ["--user-data-dir=", "--log-path=", "--store\0", "--disk\0store="].map(|option| format!("{option}{folder}/"));
    commands(|command| own.iter().any(|own| command.contains(own)))
}

/// Ends a process at once. One that is gone already is none the worse.
pub(crate) fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn own(profile: &Path) -> String {
    format!("--user-data-dir={}", profile.display())
}

/// The processes with such a command line; its arguments are separated by NUL, but Chromium's zygote writes its
/// children's with blanks.
fn commands(wanted: impl Fn(&str) -> bool) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end while it is being looked at.
        let Ok(command) = fs::read(format!("/proc/{pid}/cmdline")) else { continue };
        if wanted(&String::from_utf8_lossy(&command)) {
            found.push(pid);
        }
    }
    Ok(found)
}
