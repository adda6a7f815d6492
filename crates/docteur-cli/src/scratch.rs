//! What is on the disk only while a command runs.

use std::fs::{self, File};
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

/// How often a path is removed until it stays away, and how long it is left alone in between.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Files and folders that are removed when this is dropped, and when SIGINT, SIGTERM or SIGHUP ends the command.
pub(crate) struct Scratch(Paths);

type Paths = Arc<Mutex<Vec<PathBuf>>>;

impl Scratch {
    /// Listens for signals from now on.
    pub(crate) fn new() -> Result<Self> {
        let scratch = Self(Paths::default());
        let paths = Arc::clone(&scratch.0);
        let (ready, listening) = mpsc::channel();
        thread::Builder::new().name("signals".into()).spawn(move || {
            if let Err(error) = wait(&ready, &paths) {
                let _ = writeln!(io::stderr(), "docteur: {error:#}");
            }
        })?;
        listening.recv().context("signals cannot be listened for")?;
        Ok(scratch)
    }

    /// A new file beside `place`, to be put there when it is whole; with its path. What is there may be secret: its mode is the new one's.
    pub(crate) fn beside(&self, place: &Path) -> Result<(File, PathBuf)> {
        let mut path = place.to_path_buf().into_os_string();
        path.push(format!(".{}.part", std::process::id()));
        let path = PathBuf::from(path);
        let mut paths = locked(&self.0);
        let told = || place.display().to_string();
        let replaced = fs::metadata(place).ok().map(|old| old.permissions().mode() & 0o777);
        let mut options = File::options();
        options.write(true).create_new(true).mode(replaced.map_or(0o666, |_| 0o600));
        let file = options.open(&path).with_context(told)?;
        paths.push(path.clone());
        if let Some(mode) = replaced {
            file.set_permissions(fs::Permissions::from_mode(mode)).with_context(told)?;
        }
        Ok((file, path))
    }

    /// A new folder, among the system's temporary files.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        let mut paths = locked(&self.0);
        let folder = tempfile::Builder::new().prefix("docteur-").tempdir();
        let path = folder.with_context(|| std::env::temp_dir().display().to_string())?.keep();
        paths.push(path.clone());
        Ok(path)
    }

    /// Puts the file at `path` into its place, instead of what is there.
    pub(crate) fn put(&self, path: &Path, place: &Path) -> Result<()> {
        let mut paths = locked(&self.0);
        fs::rename(path, place).with_context(|| place.display().to_string())?;
        paths.retain(|other| other != path);
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&mut locked(&self.0));
    }
}

/// Ends the process at a signal, once all is removed.
fn wait(ready: &mpsc::Sender<()>, paths: &Paths) -> Result<()> {
    host::runtime()?.block_on(async {
        let mut signals = host::Signals::new()?;
        let mut hangup = if hangups_are_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        ready.send(())?;
        let mut stop = pin!(signals.stop());
        let code = poll_fn(|cx| match hangup.as_mut().map(|hangup| hangup.poll_recv(cx)) {
            Some(Poll::Ready(_)) => Poll::Ready(129),
            _ => stop.as_mut().poll(cx).map(|signal| if signal == "SIGTERM" { 143 } else { 130 }),
        })
        .await;
        // Held to the end, so that nothing new is made.
        let mut paths = locked(paths);
        remove(&mut paths);
        // What a shell tells of who was ended by the signal.
        std::process::exit(code)
    })
}

/// Whether whoever started the command wants it to outlive a terminal, as `nohup` does.
fn hangups_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & 1 != 0)
}

fn remove(paths: &mut Vec<PathBuf>) {
    for path in paths.drain(..) {
        // Somebody may still be writing into a folder, or have been about to make it, so it has to be gone twice in a row. What cannot be
        // removed stays: there is an error to tell already, or nobody to.
        let mut gone = 0;
        for _ in 0..TRIES {
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            gone = if path.symlink_metadata().is_err() { gone + 1 } else { 0 };
            if gone == 2 {
                break;
            }
            thread::sleep(PAUSE);
        }
    }
}

fn locked(paths: &Paths) -> MutexGuard<'_, Vec<PathBuf>> {
    paths.lock().unwrap_or_else(PoisonError::into_inner)
}
