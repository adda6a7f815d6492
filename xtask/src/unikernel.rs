//! `cargo xtask unikernel`: the server as a machine of its own, with the site inside. And how cargo is called for the library operating
//! system's target, whose standard library is built with the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{paths, setup, shell, web};

const TARGET: &str = "x86_64-unknown-hermit";
const FLAGS: [&str; 2] = ["-Crelocation-model=static", "-Cforce-frame-pointers=yes"];
/// An image has its symbols' names, by which what it tells of a fault is read: those of Rust's older scheme are shorter by a third.
const NAMES: [&str; 2] = ["-Zunstable-options", "-Csymbol-mangling-version=legacy"];
/// The most that an image may have, in bytes.
const MOST: u64 = 8 << 20;

/// Cargo, for the target; `verb` is build or clippy. The tests of `libos` call it in the same way, in the same folder.
pub(crate) fn cargo(verb: &str) -> Command {
    let mut cargo = for_target(verb, &paths::target().join("unikernel"));
    // Symbols that link-time optimisation has taken in cannot be compared.
    cargo.env("CARGO_PROFILE_UNIKERNEL_LTO", "off").env("RUSTFLAGS", FLAGS.join(" "));
    cargo
}

/// Builds the site and the image, and tells where it is.
pub(crate) fn run() -> Result<()> {
    let site = shell::step("web: the browser client and the site", || web::build(&paths::target()))?;
    println!("{}", image(&site)?.display());
    Ok(())
}

/// Builds the image with this site inside.
pub(crate) fn image(site: &web::Site) -> Result<PathBuf> {
    shell::step("set-up: what the image is built from", setup::sources)?;
    shell::step("unikernel: the server as a machine", || build(&paths::target(), site))
}

/// Builds the image under `target`, a target directory of cargo's.
pub(crate) fn build(target: &Path, site: &web::Site) -> Result<PathBuf> {
    let mut cargo = for_target("build", &target.join("machine"));
    let flags = FLAGS.into_iter().chain(NAMES).map(str::to_owned).chain(web::remapped()?);
    cargo.args(["--package", "pasteur-unikernel"]).env("PASTEUR_SITE_IMAGE", &site.image);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.collect::<Vec<_>>().join("\u{1f}"));
    shell::run(&mut cargo)?;
    let built = target.join("machine").join(TARGET).join("unikernel/pasteur-unikernel");
    let bytes = fs::read(&built).with_context(|| format!("cargo built no {}", built.display()))?;
    if bytes.len() as u64 > MOST {
        bail!("{} has {} bytes, and {MOST} are the most", built.display(), bytes.len());
    }
    let image = target.join("pasteur-unikernel");
    // Rewritten only when it changed: a machine may be running it.
    if fs::read(&image).ok().as_deref() != Some(&bytes[..]) {
        let new = target.join("pasteur-unikernel.new");
        fs::write(&new, &bytes).with_context(|| new.display().to_string())?;
        fs::rename(&new, &image).with_context(|| image.display().to_string())?;
    }
    println!("    {}: {} bytes", image.display(), bytes.len());
    Ok(image)
}

fn for_target(verb: &str, folder: &Path) -> Command {
    let mut cargo = shell::cargo();
    cargo
        .args([verb, "--profile", "unikernel", "--target", TARGET])
        .args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=compiler-builtins-mem"])
        .env("CARGO_TARGET_DIR", folder)
        .env("RUSTC_BOOTSTRAP", "1");
    cargo
}
