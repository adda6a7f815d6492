//! A repository with a blob that is longer than the memory that making an image of it may take, here and elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../docteur-make/tests/support/mod.rs"]
mod support;

mod elsewhere;
mod process;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use elsewhere::{inetd, listen};
use process::Running;
use support::noise;
use support::repository::{git, line};

/// MiB of the blob, and of memory.
const LONG: u64 = 640;
const MOST: u64 = 200;

/// Makes an image, and gives its root and the most memory in MiB.
fn made(source: &str, image: &Path) -> (String, u64) {
    let arguments = ["make", source, image.to_str().unwrap(), "--level", "1", "--threads", "2"];
    let (mut running, mut peak) = (Running::spawn(&arguments.map(OsStr::new)), 0);
    while !running.has_ended() {
        peak = running.peak().unwrap_or(0).max(peak);
        thread::sleep(Duration::from_millis(10));
    }
    let (code, line, told) = running.output();
    assert_eq!(code, Some(0), "{told}");
    (line.trim_end().rsplit(' ').next().unwrap().to_owned(), peak >> 10)
}

#[test]
fn needs_git_a_long_blob_takes_little_memory() {
    let place = tempfile::tempdir().unwrap();
    let (repository, image) = (place.path().join("r"), place.path().join("image"));
    fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "-q", "-b", "main"]);
    let piece = noise(1, 1 << 20);
    let mut file = File::create(repository.join("long")).unwrap();
    for n in 0..LONG {
        file.write_all(&n.to_le_bytes()).unwrap();
        file.write_all(&piece[8..]).unwrap();
    }
    fs::write(repository.join("short"), support::text(1, 5_000)).unwrap();
    // A loose object, where Git would have put it into a pack.
    git(&repository, &["-c", "core.bigFileThreshold=4g", "-c", "core.compression=0", "add", "-A"]);
    git(&repository, &["commit", "-q", "-m", "all"]);
    fs::remove_file(repository.join("long")).unwrap();
    let here = repository.to_str().unwrap();
    let (root, peak) = made(here, &image);
    assert!(peak > 0 && peak < MOST, "{peak} MiB for a loose object");
    git(&repository, &["-c", "core.compression=0", "repack", "-qad"]);
    assert_eq!(line(&repository, &["count-objects"]), "0 objects, 0 kilobytes");
    let (packed, peak) = made(here, &image);
    assert_eq!(packed, root);
    assert!(peak > 0 && peak < MOST, "{peak} MiB for a packed object");
    let base = place.path().to_path_buf();
    let port = listen(move |stream| {
        let mut daemon = Command::new("git");
        daemon.args(["daemon", "--inetd", "--export-all"]).arg(format!("--base-path={}", base.display()));
        inetd(daemon.env("GIT_CONFIG_GLOBAL", "/dev/null"), stream);
    });
    let (fetched, peak) = made(&format!("git://127.0.0.1:{port}/r"), &image);
    assert_eq!(fetched, root);
    assert!(peak > 0 && peak < MOST, "{peak} MiB for a fetched object");
}
