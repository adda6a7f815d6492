//! `cargo xtask web`: the browser client and the site, as a folder and as a docteur image.
//!
//! Nobody writes JavaScript: the glue is generated, and one line that starts the client is appended to it.

mod assets;
mod glue;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{paths, setup, shell};

/// What a browser runs.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The pages, each with a program of its own: features of `pasteur-web`.
const PAGES: [&str; 2] = ["create", "show"];

/// A built site.
#[derive(Debug)]
pub(crate) struct Site {
    /// The docteur image.
    pub(crate) image: PathBuf,
}

/// Builds the client under `target` (a target directory of cargo's), and there `site/` and `site.img`.
pub(crate) fn build(target: &Path) -> Result<Site> {
    let mut programs = Vec::new();
    for page in PAGES {
        let wasm = client(target, page)?;
        programs.push(glue::generate(&wasm, page, &target.join("glue"))?);
    }
    let mut files = BTreeMap::new();
    read_folder(&paths::root().join("site"), "", &mut files)?;
    let files = assets::assemble(files, programs)?;

    let folder = target.join("site");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    for (path, bytes) in &files {
        let place = folder.join(path.trim_start_matches('/'));
        let parent = place.parent().context("a file without a folder")?;
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        fs::write(&place, bytes).with_context(|| place.display().to_string())?;
    }
    let bytes = docteur_make::image_of_folder(&folder)?;
    let image = target.join("site.img");
    // Rewritten only when it changed, so that what embeds it is not rebuilt for nothing.
    if fs::read(&image).ok().as_deref() != Some(&bytes[..]) {
        fs::write(&image, &bytes).with_context(|| image.display().to_string())?;
    }
    println!("    {}: {} files, {} bytes", image.display(), files.len(), bytes.len());
    Ok(Site { image })
}

/// The wasm of a page's program as rustc leaves it.
fn client(target: &Path, page: &str) -> Result<PathBuf> {
    let std = setup::target(TARGET)?;
    let mut cargo = shell::cargo();
    cargo.args(["build", "--package", "pasteur-web", "--lib", "--profile", "web", "--target-dir"]).arg(target);
    cargo.args(["--no-default-features", "--features", page]);
    std.apply(&mut cargo, TARGET, "std,panic_abort");
    cargo.env("CARGO_ENCODED_RUSTFLAGS", remapped()?.join("\u{1f}"));
    shell::run(&mut cargo)?;
    let wasm = target.join(TARGET).join("web/pasteur_web.wasm");
    if !wasm.is_file() {
        bail!("cargo built no {}: pasteur-web has to be a cdylib", wasm.display());
    }
    Ok(wasm)
}

/// Panic messages name source files; these flags make the names the same on every machine, whether or not the standard
/// library's sources are installed.
pub(crate) fn remapped() -> Result<Vec<String>> {
    let sources = setup::sysroot()?.join("lib/rustlib/src/rust");
    let real = fs::canonicalize(&sources).unwrap_or_else(|_| sources.clone());
    let std = format!("/rustc/{}", setup::compiler("commit-hash")?);
    let home = paths::cargo_home().map(|home| (home, "cargo"));
    let ours = [(paths::root(), "pasteur"), (sources, std.as_str()), (real, std.as_str())];
    let flag = |(from, to): (PathBuf, &str)| format!("--remap-path-prefix={}={to}", from.display());
    Ok(home.into_iter().chain(ours).map(flag).collect())
}

fn read_folder(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let place = entry.path();
        let name = entry.file_name().into_string().ok().with_context(|| format!("{} is not UTF-8", place.display()))?;
        let path = format!("{prefix}/{name}");
        if entry.file_type()?.is_dir() {
            read_folder(&place, &path, files)?;
        } else {
            files.insert(path, fs::read(&place).with_context(|| place.display().to_string())?);
        }
    }
    Ok(())
}
