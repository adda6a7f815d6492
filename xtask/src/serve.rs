//! `cargo xtask serve`: one command from a fresh clone to a running server.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{paths, shell, web};

/// Builds the site and the program, then runs it; `args` come after the defaults and so override them.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let site = shell::step("web: the browser client and the site", || web::build(&paths::target()))?;
    let program = shell::step("server: the program pasteur", || program(&site))?;
    let folder = paths::target().join("serve");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut server = Command::new(program);
    server.arg("serve");
    for (option, value) in [("--listen", "127.0.0.1:8080".into()), ("--store", folder.join("pastes.redb"))] {
        if !args.iter().any(|arg| arg == option || arg.starts_with(&format!("{option}="))) {
            server.arg(option).arg(value);
        }
    }
    replace(server.args(args))
}

/// The program, built for release with the site inside.
pub(crate) fn program(site: &web::Site) -> Result<std::path::PathBuf> {
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--package", "pasteur-cli"]).env("PASTEUR_SITE_IMAGE", &site.image);
    shell::run(&mut cargo)?;
    let program = paths::target().join("release/pasteur");
    if !program.is_file() {
        bail!("cargo built no {}", program.display());
    }
    Ok(program)
}

/// Becomes the server, so that signals and the exit code are the server's own.
#[cfg(unix)]
fn replace(server: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    println!("==> {server:?}");
    Err(server.exec()).context("the server cannot be started")
}

#[cfg(not(unix))]
fn replace(server: &mut Command) -> Result<()> {
    shell::run(server)
}
