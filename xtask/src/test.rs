//! `cargo xtask test`: everything that is checked, here as in CI. The last step is cargo's own test run, so that the output
//! ends with its summary.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::tidy::PURE;
use crate::{deny, fuzz, paths, serve, setup, shell, tidy, unikernel, web};

/// What a machine may lack, by the name that `--without` takes: programs and the Debian packages that have them.
/// The tests that need one are named `needs_NAME_...`; the fuzzer has a step of its own.
const TOOLS: [(&str, &[(&str, &str)]); 10] = [
    ("chromium", &[("chromium", "chromium"), ("chromedriver", "chromium-driver"), ("npm", "npm")]),
    (
        "clients",
        &[
            ("curl", "curl"),
            ("openssl", "openssl"),
            ("h2load", "nghttp2-client"),
            ("nghttp", "nghttp2-client"),
            ("wrk", "wrk"),
            ("testssl", "testssl.sh"),
            // Libraries for Debian's Python, each known by a file of it.
            ("/usr/lib/python3/dist-packages/httpx/__init__.py", "python3-httpx"),
            ("/usr/lib/python3/dist-packages/h2/__init__.py", "python3-h2"),
        ],
    ),
    (
        "peers",
        &[
            ("curl", "curl"),
            ("node", "nodejs"),
            ("npm", "npm"),
            ("python3", "python3"),
            ("pip3", "python3-pip"),
            ("python3", "python3-venv"),
        ],
    ),
    ("fuzzer", fuzz::TOOLS),
    ("git", &[("git", "git")]),
    ("qemu", &[("qemu-system-x86_64", "qemu-system-x86"), ("nm", "binutils")]),
    ("sshd", &[("ssh", "openssh-client"), ("ssh-keygen", "openssh-client"), ("sshd", "openssh-server")]),
    ("tap", &[("ip", "iproute2"), ("ping", "iputils-ping")]),
    ("tink", &[("python3", "python3"), ("pip3", "python3-pip"), ("python3", "python3-venv")]),
    ("valgrind", &[("valgrind", "valgrind")]),
];

/// The targets that the pure crates are built for.
const BARE: [&str; 2] = ["x86_64-unknown-none", "wasm32-unknown-unknown"];

/// What there is of the library operating system for the machine that it makes.
const LIBOS: [&str; 4] = ["--package", "libos", "--lib", "--examples"];
/// And the server on it.
const MACHINE: [&str; 3] = ["--package", "pasteur-unikernel", "--bins"];

/// Runs all of it.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let without = without(args, ci)?;
    for name in &without {
        println!("==> LEFT OUT, as asked: every test that needs {name}");
    }
    shell::step("set-up: what the tests need", || set_up(&without))?;
    shell::step("format", || shell::run(shell::cargo().args(["fmt", "--all", "--check"])))?;
    shell::step("tidy", tidy::run)?;
    shell::step("deny: licences, names and sources of dependencies", deny::run)?;
    shell::step("clippy", || clippy(&without))?;
    shell::step("pure crates without the standard library", pure)?;
    let target = paths::target();
    let site = shell::step("web: the browser client and the site", || web::build(&target))?;
    // Side by side: each has long phases that keep one core alone.
    let program = std::thread::scope(|scope| {
        let again = scope.spawn(|| shell::step("web again, elsewhere: the same bytes", || same_again(&site)));
        let program = shell::step("server: the program pasteur", || serve::program(&site));
        again.join().unwrap_or_else(|_| bail!("a step panicked"))?;
        program
    })?;
    let machine = if without.contains("qemu") {
        None
    } else {
        // Side by side as well: the linker takes long, and one core.
        let image = std::thread::scope(|scope| {
            let again = scope.spawn(|| shell::step("unikernel again, elsewhere", || machine_again(&site)));
            let image = shell::step("unikernel: the server as a machine", || unikernel::build(&target, &site))?;
            same("the unikernel", &image, &again.join().unwrap_or_else(|_| bail!("a step panicked"))?)?;
            Ok::<_, anyhow::Error>(image)
        })?;
        Some(image)
    };
    if !without.contains("fuzzer") {
        shell::step("fuzz: every target for a little", || fuzz::run(&["--seconds", "4"].map(String::from)))?;
    }
    shell::step("the README knows every option", || tidy::options(&program))?;
    shell::step("tests", || {
        let mut cargo = shell::cargo();
        cargo.args(["test", "--workspace"]);
        cargo.env("PASTEUR_SITE_IMAGE", &site.image).env("PASTEUR_BIN", &program);
        cargo.envs(machine.map(|image| ("PASTEUR_UNIKERNEL", image)));
        if !without.is_empty() {
            cargo.arg("--");
            for name in &without {
                cargo.args(["--skip", &format!("needs_{name}_")]);
            }
        }
        shell::run(&mut cargo)
    })
}

/// The names after `--without`.
fn without(args: &[String], ci: bool) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let name = match arg.strip_prefix("--without") {
            Some("") => args.next().context("--without takes a name")?.as_str(),
            Some(rest) if rest.starts_with('=') => &rest[1..],
            _ => bail!("{arg}: cargo xtask test takes only --without NAME"),
        };
        if !TOOLS.iter().any(|(known, _)| *known == name) {
            bail!("--without {name}: the names are {}", TOOLS.map(|(known, _)| known).join(", "));
        }
        names.insert(name.to_owned());
    }
    if ci && !names.is_empty() {
        bail!("CI=true: nothing may be left out");
    }
    Ok(names)
}

fn set_up(without: &BTreeSet<String>) -> Result<()> {
    BARE.iter().try_for_each(|target| setup::target(target).map(drop))?;
    if !without.contains("qemu") {
        setup::sources()?;
    }
    let wanted: Vec<_> = TOOLS.iter().filter(|(name, _)| !without.contains(*name)).collect();
    for (name, programs) in wanted {
        setup::programs(programs).with_context(|| format!("`--without {name}` leaves out the tests that need it"))?;
    }
    Ok(())
}

fn clippy(without: &BTreeSet<String>) -> Result<()> {
    let deny = ["--", "--deny", "warnings"];
    shell::run(shell::cargo().args(["clippy", "--workspace", "--all-targets"]).args(deny))?;
    // The browser client is another program for the browser than it is for its tests.
    let std = setup::target(web::TARGET)?;
    let mut cargo = shell::cargo();
    cargo.args(["clippy", "--package", "pasteur-web"]);
    std.apply(&mut cargo, web::TARGET, "std,panic_abort");
    if std.is_ready() {
        shell::run(cargo.args(deny))?;
    }
    if without.contains("qemu") {
        return Ok(());
    }
    // So is the library operating system.
    shell::run(unikernel::cargo("clippy").args(LIBOS).args(deny))?;
    shell::run(unikernel::cargo("clippy").args(MACHINE).args(deny))
}

fn pure() -> Result<()> {
    for target in BARE {
        let std = setup::target(target)?;
        for package in PURE {
            let mut cargo = shell::cargo();
            cargo.args(["check", "--lib", "--no-default-features", "--package", package]);
            std.apply(&mut cargo, target, "core,alloc");
            shell::run(&mut cargo)?;
        }
    }
    Ok(())
}

/// Builds the site a second time from nothing, and compares every byte.
fn same_again(site: &web::Site) -> Result<()> {
    let again = web::build(&emptied(&paths::target().join("again"))?)?;
    same("the site", &site.image, &again.image)
}

/// Builds the machine's image a second time from nothing.
fn machine_again(site: &web::Site) -> Result<PathBuf> {
    unikernel::build(&emptied(&paths::target().join("again-machine"))?, site)
}

/// The folder, without what an earlier run left there.
fn emptied(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    Ok(folder.to_owned())
}

fn same(what: &str, one: &Path, other: &Path) -> Result<()> {
    if fs::read(one)? != fs::read(other)? {
        bail!("{} and {} differ: the build of {what} is not reproducible", one.display(), other.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(args: &[&str], ci: bool) -> Result<Vec<String>> {
        let args: Vec<_> = args.iter().map(|&arg| arg.to_owned()).collect();
        without(&args, ci).map(|names| names.into_iter().collect())
    }

    #[test]
    fn tools_are_left_out_by_name_but_never_in_ci() {
        assert_eq!(ask(&[], true).unwrap(), [""; 0]);
        assert_eq!(ask(&["--without", "tink", "--without=chromium"], false).unwrap(), ["chromium", "tink"]);
        assert_eq!(ask(&["--without", "tink"], true).unwrap_err().to_string(), "CI=true: nothing may be left out");
    }

    #[test]
    fn other_words_are_refused() {
        for bad in [&["--without"][..], &["--without", "cargo"], &["--withouttink"], &["x"]] {
            assert!(ask(bad, false).is_err(), "{bad:?}");
        }
    }
}
