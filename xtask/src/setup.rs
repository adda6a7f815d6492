//! Installs what a command needs and is missing, and says so before it does.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{paths, shell};

/// A target's standard library: how cargo is to be called for it.
#[derive(Debug)]
pub(crate) enum Std {
    /// The pinned toolchain has it.
    Ready,
    /// It is built from the sources that Debian packages, with Debian's compiler, since the two have to match.
    Debian,
}

impl Std {
    /// Whether the pinned toolchain builds for the target by itself.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }

    /// Prepares cargo to build for `target`; `parts` are the crates of the standard library that are needed.
    pub(crate) fn apply(&self, cargo: &mut Command, target: &str, parts: &str) {
        if let Self::Debian = self {
            cargo.arg(format!("-Zbuild-std={parts}")).env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
        }
        cargo.arg("--target").arg(target);
    }
}

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library";

/// Sees to the standard library of `target` for the pinned toolchain.
pub(crate) fn target(target: &str) -> Result<Std> {
    let toolchain = pinned_toolchain()?;
    if sysroot()?.join("lib/rustlib").join(target).join("lib").is_dir() {
        return Ok(Std::Ready);
    }
    println!("    installing: target {target} for Rust {toolchain}, by rustup");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", "--toolchain", &toolchain, target]);
    let Err(refusal) = shell::run(&mut rustup) else { return Ok(Std::Ready) };
    println!(
        "    rustup could not ({refusal:#}); falling back to Debian's rustc-web and rust-web-src with -Zbuild-std"
    );
    if !Path::new(DEBIAN_SOURCE).is_dir() || !Path::new(DEBIAN_RUSTC).is_file() {
        apt(&["rustc-web", "rust-web-src"])
            .with_context(|| format!("there is no standard library for {target}; install it with rustup"))?;
    }
    Ok(Std::Debian)
}

/// Sees to the sources of the standard library, which the unikernel's is built from.
pub(crate) fn sources() -> Result<()> {
    if sysroot()?.join("lib/rustlib/src/rust/library").is_dir() {
        return Ok(());
    }
    let toolchain = pinned_toolchain()?;
    println!("    installing: component rust-src for Rust {toolchain}, by rustup");
    shell::run(Command::new("rustup").args(["component", "add", "--toolchain", &toolchain, "rust-src"]))
        .context("`--without qemu` leaves out the tests that need it")
}

/// Sees to programs; each pair is a program and the Debian package that has it.
pub(crate) fn programs(wanted: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<_> = wanted.iter().filter(|(program, _)| !shell::has(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    let names: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    apt(&packages).with_context(|| format!("{} cannot be found on the path", names.join(", ")))
}

fn apt(packages: &[&str]) -> Result<()> {
    println!("    installing: Debian's {}, by apt-get", packages.join(", "));
    if !shell::has("apt-get") {
        bail!("this is no Debian: install {} yourself", packages.join(", "));
    }
    let as_root = |verb: &str| {
        let root = shell::output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0");
        let mut command = Command::new(if root { "apt-get" } else { "sudo" });
        if !root {
            command.arg("apt-get");
        }
        command.args(["--quiet", "--yes", verb]).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    // Out-of-date lists only make the installation fail, which says more than a failed update does.
    if let Err(error) = shell::run(&mut as_root("update")) {
        println!("    {error:#}");
    }
    shell::run(as_root("install").arg("--no-install-recommends").args(packages))
}

/// The channel that `rust-toolchain.toml` pins.
fn pinned_toolchain() -> Result<String> {
    let file = paths::root().join("rust-toolchain.toml");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let channel = text.lines().find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'));
    Ok(channel.context("rust-toolchain.toml pins no channel")?.to_owned())
}

/// What the compiler says of itself: `commit-hash`, the commit that it was built from, or `host`, the target of this machine.
pub(crate) fn compiler(what: &str) -> Result<String> {
    let version = shell::output(Command::new("rustc").arg("-vV").current_dir(paths::root())).unwrap_or_default();
    let found = version.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(": "));
    Ok(found.with_context(|| format!("rustc does not tell its {what}"))?.to_owned())
}

/// Where the pinned toolchain is.
pub(crate) fn sysroot() -> Result<PathBuf> {
    let path = shell::output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(paths::root()));
    Ok(PathBuf::from(path.context("rustc does not run: install the toolchain of rust-toolchain.toml")?.trim()))
}
