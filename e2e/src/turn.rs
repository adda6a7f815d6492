//! Whose turn it is: scenarios run one after another, for one Chromium and one server are enough for two cores.
//!
//! A turn begins clean. A test process that was killed could not stop its programs; they are known by the folder that
//! their command line names, and the next turn ends them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use crate::process;

static THREADS: Mutex<()> = Mutex::new(());

/// The right to run browsers and servers, among all threads and all processes that share a target folder.
pub struct Turn {
    folder: PathBuf,
    // The process's lock goes before the thread's: else another thread would wait for its own process.
    _processes: File,
    _threads: MutexGuard<'static, ()>,
}

impl Turn {
    /// Waits for it, and ends what a killed process has left running.
    ///
    /// # Errors
    /// The target folder cannot be written to.
    pub fn take() -> Result<Self> {
        // A scenario that panicked has dropped its world.
        let threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = artifacts().join("run");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let folder = folder.canonicalize()?;
        let processes = File::create(artifacts().join("turn.lock"))?;
        flock(&processes, FlockOperation::LockExclusive)?;
        clean(&folder)?;
        Ok(Self { folder, _processes: processes, _threads: threads })
    }

    /// The folder for what this turn needs; nothing else is in it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The folder of what tests leave behind and share.
pub(crate) fn artifacts() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")).join("e2e")
}

/// Ends the programs of a turn that was cut off, and removes their files.
fn clean(folder: &Path) -> Result<()> {
    for _ in 0..200 {
        let left = process::working_in(folder)?;
        if left.is_empty() {
            break;
        }
        left.into_iter().for_each(process::kill);
        std::thread::sleep(Duration::from_millis(10));
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        fs::remove_dir_all(&path).with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_turn_ends_what_was_left_running() {
        let turn = Turn::take().unwrap();
        let left = turn.folder().join("left");
        fs::create_dir(&left).unwrap();
        let sleeper = |option: &str, folder: &Path| {
            let script = ["-c", "read line", "sleeper"];
            let mut sleeper = Command::new("sh");
            sleeper.args(script).arg(format!("{option}={}/profile", folder.display()));
            sleeper.stdin(Stdio::piped()).spawn().unwrap()
        };
        let mut ours = sleeper("--user-data-dir", &left);
        let mut named = sleeper("--show", &left);
        let mut others = sleeper("--user-data-dir", Path::new("/elsewhere"));
        // Its parent reaps it meanwhile, as init does for one whose parent is gone.
        let reaper = std::thread::spawn(move || ours.wait().unwrap());
        drop(turn);
        let turn = Turn::take().unwrap();
        assert!(!reaper.join().unwrap().success());
        assert!(!left.exists());
        for child in [&mut named, &mut others] {
            assert!(child.try_wait().unwrap().is_none(), "it ended what is not its own");
            drop(child.stdin.take());
            child.wait().unwrap();
        }
        drop(turn);
    }
}
