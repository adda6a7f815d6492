//! The folders that images are made of: documentation of Rust and of Debian's packages, and this project's site.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Bench;
use crate::{paths, shell, web};

/// A folder, and how much is in it.
#[derive(Debug)]
pub(crate) struct Corpus {
    pub(crate) folder: PathBuf,
    /// Plain files.
    files: u64,
    /// Bytes of these.
    bytes: u64,
}

impl Corpus {
    fn of(name: &str, folder: PathBuf) -> Result<Self> {
        let (mut files, mut bytes) = (0, 0);
        for file in self::files(&folder)? {
            files += 1;
            bytes += fs::symlink_metadata(&file)?.len();
        }
        println!("    {name}: {}, {files} files, {bytes} bytes", folder.display());
        Ok(Self { folder, files, bytes })
    }

    /// Whether it is the one with these files and bytes: goals in bytes hold for that alone.
    pub(crate) fn is(&self, files: u64, bytes: u64) -> bool {
        (self.files, self.bytes) == (files, bytes)
    }
}

/// The pinned toolchain's documentation; one book of it to be quick.
pub(crate) fn toolchain(bench: &Bench) -> Result<Corpus> {
    let html = documentation(None)?;
    Corpus::of("R1", if bench.quick { html.join("nomicon") } else { html })
}

/// The same and the nightly toolchain's: much of it is alike.
pub(crate) fn two_toolchains(bench: &Bench) -> Result<Corpus> {
    let folder = bench.folder.join("r2");
    if bench.quick {
        let html = documentation(None)?;
        copy(&html.join("nomicon"), &folder.join("1"))?;
        copy(&html.join("edition-guide"), &folder.join("2"))?;
    } else {
        copy(&documentation(None)?, &folder.join("stable"))?;
        copy(&documentation(Some("nightly"))?, &folder.join("nightly"))?;
    }
    Corpus::of("R2", folder)
}

/// What Debian packages of the documentation of Python, Java and Boost, in the versions that it has now.
pub(crate) fn debian(bench: &Bench) -> Result<Corpus> {
    const PACKAGES: [&str; 3] = ["python3.11-doc", "openjdk-17-doc", "libboost1.81-doc"];
    if bench.quick {
        return Corpus::of("D", documentation(None)?.join("cargo"));
    }
    let (packed, folder) = (bench.folder.join("debs"), bench.folder.join("d"));
    fs::create_dir_all(&packed)?;
    shell::run(Command::new("apt-get").args(["download", "--quiet"]).args(PACKAGES).current_dir(&packed))
        .context("the packages are Debian 12's")?;
    for entry in fs::read_dir(&packed)? {
        let package = entry?.path();
        println!("    D has {}", package.file_name().unwrap_or_default().display());
        shell::run(Command::new("dpkg").arg("-x").args([&package, &folder]))?;
    }
    fs::remove_dir_all(packed)?;
    Corpus::of("D", folder)
}

/// This project's site.
pub(crate) fn site(_: &Bench) -> Result<Corpus> {
    let site = web::build(&paths::target())?;
    Corpus::of("W", site.image.with_extension(""))
}

/// Where a toolchain has its documentation.
fn documentation(toolchain: Option<&str>) -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    if let Some(toolchain) = toolchain {
        rustc.arg(format!("+{toolchain}"));
        rustc.env_remove("RUSTUP_TOOLCHAIN");
    }
    let sysroot = shell::output(rustc.args(["--print", "sysroot"]).current_dir(paths::root()));
    let html = Path::new(sysroot.context("rustc does not say where it is")?.trim()).join("share/doc/rust/html");
    ensure!(html.is_dir(), "{} is missing: rustup component add rust-docs", html.display());
    Ok(html)
}

/// Copies a folder, by hard links where that goes.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, from, to) = (entry.file_type()?, entry.path(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&from, &to)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).with_context(|| from.display().to_string())?;
        }
    }
    Ok(())
}

/// The plain files of a folder, by their paths.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut all, mut open) = (Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                all.push(entry.path());
            }
        }
    }
    all.sort();
    Ok(all)
}
