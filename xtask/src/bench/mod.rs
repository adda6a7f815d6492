//! `cargo xtask bench [NAME..] [--parts PART,..]`: the project's figures, each as a ratio to a peer or a limit that runs beside it.
//!
//! Nothing fails for being slow: a table says what was measured and what the goal is. The programs are release builds, the load comes
//! from `wrk`, the peer for static pages is nginx.

mod browser;
mod corpora;
mod crates;
mod hostile;
mod images;
mod load;
mod long;
mod paf;
mod pages;
mod paste;
mod report;
mod server;
mod serving;
mod squashed;
mod transfer;
mod unikernel;

use anyhow::{Context, Result, bail};

use crate::{paths, serve, setup, shell, web};
use report::Report;

/// What a bench has at hand.
pub(crate) struct Bench {
    /// The release build of `pasteur`, with the site inside.
    program: std::path::PathBuf,
    /// The site that is inside, where a server is needed at all.
    site: Option<web::Site>,
    /// A folder of its own, on the disk that the target directory is on.
    folder: std::path::PathBuf,
    /// Whether to do all of it in small, to see that it works.
    quick: bool,
    /// Which parts of the group `docteur`; none for those that can be done everywhere.
    parts: Vec<String>,
    report: Report,
}

/// A group of figures.
type Group = (&'static str, fn(&mut Bench) -> Result<()>);

const GROUPS: &[Group] = &[
    ("server", server::run),
    ("transfer", transfer::run),
    ("browser", browser::run),
    ("paf", paf::run),
    ("hostile", hostile::run),
    ("netstack", crates::netstack),
    ("envelope", crates::envelope),
    ("store", crates::store),
    ("multipart", crates::multipart),
    ("docteur", images::run),
    ("unikernel", unikernel::run),
];

/// Measures the named groups, or all; `--quick` does so in small, `--parts` names parts of the group `docteur`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (mut quick, mut parts, mut names) = (false, Vec::new(), Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => quick = true,
            "--parts" => parts.extend(args.next().context("--parts wants names")?.split(',').map(str::to_owned)),
            other if other.starts_with('-') => {
                bail!("{other} is no option of bench; there are --quick and --parts NAME,..")
            }
            name => names.push(name),
        }
    }
    if let Some(other) = parts.iter().find(|part| !images::PARTS.iter().any(|(known, _)| known == part)) {
        let known: Vec<_> = images::PARTS.iter().map(|(name, _)| *name).collect();
        bail!("the bench docteur has no part {other}; it has {}", known.join(", "));
    }
    if let Some(other) = names.iter().find(|name| !GROUPS.iter().any(|(known, _)| known == *name)) {
        let known: Vec<_> = GROUPS.iter().map(|(name, _)| *name).collect();
        bail!("there is no bench {other}; there are {}", known.join(", "));
    }
    // These alone need no server.
    let alone = ["docteur", "netstack", "paf"];
    let serves = names.is_empty() || names.iter().any(|name| !alone.contains(name));
    let (program, site) = if serves { server_program()? } else { Default::default() };
    let folder = paths::target().join("bench");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut bench = Bench { program, site, folder, quick, parts, report: Report::default() };
    for (name, group) in GROUPS {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            shell::step(&format!("bench {name}"), || group(&mut bench))?;
        }
    }
    println!("{}", bench.report);
    let file = paths::target().join("bench.json");
    std::fs::write(&file, bench.report.json()).with_context(|| file.display().to_string())?;
    println!("    the same as JSON: {}", file.display());
    Ok(())
}

/// The release build of `pasteur`, and what loads it.
fn server_program() -> Result<(std::path::PathBuf, Option<web::Site>)> {
    setup::programs(&[("wrk", "wrk"), ("nginx", "nginx-light")])?;
    let site = shell::step("web: the browser client and the site", || web::build(&paths::target()))?;
    let program = shell::step("server: the program pasteur", || serve::program(&site))?;
    Ok((program, Some(site)))
}
