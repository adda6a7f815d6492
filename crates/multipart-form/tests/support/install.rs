//! Peers and senders that a test installs for itself, below the target folder: once, whoever comes first.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python with these packages.
pub(crate) fn python(name: &str, packages: &[&str]) -> PathBuf {
    let folder = once(name, packages, |folder| {
        let venv = folder.join("venv");
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv), "Debian: python3-venv");
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "5"];
        run(Command::new(venv.join("bin/python")).args(pip).args(packages), "from the Python package index");
    });
    folder.join("venv/bin/python")
}

/// A folder of node modules with these packages.
#[allow(dead_code, reason = "not every test has a package of node's")]
pub(crate) fn node_modules(name: &str, packages: &[&str]) -> PathBuf {
    let folder = once(name, packages, |folder| {
        let npm = ["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"];
        run(Command::new("npm").args(npm).arg(folder).args(packages), "Debian: npm");
    });
    folder.join("node_modules")
}

/// A folder that `fill` fills, unless that has been done. Under a lock, since cargo may run two tests that want the same; the
/// mark is written last.
fn once(name: &str, packages: &[&str], fill: impl Fn(&Path)) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let (mark, wanted) = (folder.join("done"), packages.join(" "));
    if fs::read_to_string(&mark).ok().as_ref() != Some(&wanted) {
        fill(&folder);
        fs::write(mark, wanted).unwrap();
    }
    folder
}

pub(crate) fn run(command: &mut Command, hint: &str) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error} ({hint})"));
    assert!(output.status.success(), "{command:?} ({hint}): {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
