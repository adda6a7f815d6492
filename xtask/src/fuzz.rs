//! `cargo xtask fuzz`: the targets of `fuzz/` under libFuzzer. What cargo-fuzz asks of a nightly toolchain is the sanitizers;
//! the crates that are fuzzed have no unsafe code for those to watch, and the coverage that guides the fuzzer is there in the
//! pinned one.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{paths, setup, shell};

/// What libfuzzer-sys needs to be built: the program and the Debian package that has it.
pub(crate) const TOOLS: &[(&str, &str)] = &[("c++", "g++")];

/// What makes a program tell the fuzzer which ways it took, and what it compared.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// Seconds a target is run for where nothing is said.
const SECONDS: u64 = 60;

/// Runs the targets that `args` name, or all, `--seconds N` each. What they find worth keeping is kept in `target/fuzz`, and the
/// next run begins with it.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (names, seconds) = parse(args, &targets()?)?;
    setup::programs(TOOLS)?;
    let (folder, host) = (paths::target().join("fuzz"), setup::compiler("host")?);
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--locked", "--target", &host, "--manifest-path", "fuzz/Cargo.toml"]);
    // For a target that is named, build scripts and macros are built without the instructions.
    cargo.arg("--target-dir").arg(&folder).env("RUSTFLAGS", INSTRUMENTED);
    cargo.args(names.iter().flat_map(|name| ["--bin", name]));
    shell::run(&mut cargo)?;
    let programs = folder.join(host).join("release");
    for name in names {
        let found = folder.join("corpus").join(&name);
        fs::create_dir_all(&found).with_context(|| found.display().to_string())?;
        let mut fuzzer = Command::new(programs.join(&name));
        fuzzer.arg(&found).arg(paths::root().join("fuzz/seeds").join(&name));
        fuzzer.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", folder.display()));
        fuzzer.args(["-timeout=10", "-rss_limit_mb=1024", "-verbosity=0", "-print_final_stats=1"]);
        shell::run(&mut fuzzer).with_context(|| format!("{name} failed; the input is the file named above"))?;
    }
    Ok(())
}

/// The names of the targets there are.
fn targets() -> Result<Vec<String>> {
    let folder = paths::root().join("fuzz/targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn parse(args: &[String], targets: &[String]) -> Result<(Vec<String>, u64)> {
    let (mut names, mut seconds) = (Vec::new(), SECONDS);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--seconds" {
            let number = args.next().and_then(|number| number.parse().ok()).filter(|&number| number > 0);
            seconds = number.context("--seconds takes a number above 0")?;
        } else if targets.contains(arg) {
            names.push(arg.clone());
        } else {
            bail!("{arg}: the targets are {}", targets.join(", "));
        }
    }
    Ok((if names.is_empty() { targets.to_vec() } else { names }, seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_seconds_are_taken() {
        let there = ["a".to_owned(), "b".to_owned()];
        let ask = |args: &[&str]| parse(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>(), &there);
        assert_eq!(ask(&[]).unwrap(), (there.to_vec(), SECONDS));
        assert_eq!(ask(&["b", "--seconds", "3"]).unwrap(), (vec!["b".to_owned()], 3));
        for bad in [&["c"][..], &["--seconds"], &["--seconds", "0"], &["--seconds", "x"]] {
            assert!(ask(bad).is_err(), "{bad:?}");
        }
        assert!(targets().unwrap().iter().any(|name| name == "multipart_parser"));
    }
}
