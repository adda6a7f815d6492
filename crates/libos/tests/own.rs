//! The program of one's own that the documentation has: it is the example, and it is built and runs as is written there.

#![cfg(not(target_os = "hermit"))]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Machine, get};
use device::manifest::card;
use device::manifest::image::Image;

const DOCS: &str = include_str!("../../../docs/unikernel.md");

/// The pieces of the documentation that are to be copied, as they are there.
fn pieces() -> Vec<String> {
    let mut pieces = vec![String::new()];
    for line in DOCS.lines() {
        match (line.strip_prefix("    "), pieces.last_mut()) {
            (Some(line), Some(piece)) => *piece += &format!("{line}\n"),
            (None, Some(piece)) if line.is_empty() && !piece.is_empty() => piece.push('\n'),
            _ => pieces.push(String::new()),
        }
    }
    pieces.into_iter().map(|piece| piece.trim_end().to_owned() + "\n").collect()
}

/// The piece that begins so.
fn piece(beginning: &str) -> String {
    let mut found = pieces().into_iter().filter(|piece| piece.starts_with(beginning));
    let piece = found.next().unwrap_or_else(|| panic!("the documentation has nothing that begins with {beginning}"));
    assert_eq!(found.next(), None, "the documentation has two that begin with {beginning}");
    piece
}

/// Somebody else's project, outside of this repository, with the files and by the commands that the documentation has, and nothing else;
/// only the versions of what comes from elsewhere are those that are here.
#[test]
fn needs_qemu_a_program_of_ones_own_is_built_and_runs_as_documented() {
    let folder = tempfile::tempdir().expect("a folder");
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("it is here");
    std::os::unix::fs::symlink(&repository, folder.path().join("pasteur")).expect("a link");
    let project = folder.path().join("hello");
    std::fs::create_dir_all(project.join("src")).expect("a folder");
    for (file, beginning) in [
        ("Cargo.toml", "[package]\n"),
        ("build.rs", "fn main() {\n    if std::env"),
        ("src/main.rs", "//! A page over"),
    ] {
        std::fs::write(project.join(file), piece(beginning)).expect("a file");
    }
    std::fs::copy(repository.join("Cargo.lock"), project.join("Cargo.lock")).expect("the versions");
    let commands = piece("RUSTC_BOOTSTRAP=1");
    let (build, run) = commands.split_once("pasteur unikernel inspect ").expect("how it is looked at");
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../own-program");
    let shell = |command: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-euc", command]).current_dir(&project).env("CARGO_TARGET_DIR", &target);
        shell
    };
    assert!(shell(build).status().expect("sh runs").success(), "{build}");
    // Where it lies by default, and where it lies here.
    let (path, _) = run.split_once('\n').expect("a line");
    let program = target.join(path.strip_prefix("target/").expect("cargo's folder"));
    let read = Image::read(std::fs::File::open(&program).expect("the program")).expect("a unikernel");
    assert_eq!(read.manifest.devices(), [card("net")]);
    let port = TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a port").port();
    let start = piece("qemu-system-x86_64 -accel tcg -M microvm -cpu max -m 32M");
    assert!(start.contains(path) && start.contains(":8080-"), "{start}");
    let start = start.replace(path, &program.display().to_string()).replace(":8080-", &format!(":{port}-"));
    let child = shell(&format!("exec {start}")).stdin(Stdio::null()).spawn().expect("sh runs");
    let _machine = Machine(child);
    let answer = get(port, Duration::from_secs(60)).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello from a machine of its own\n"), "{answer}");
}

/// The documentation's program of one's own is the example that is booted here, linked as that is.
#[test]
fn the_program_that_is_documented_is_the_one_that_is_tested() {
    let quoted = |text: &str| -> String {
        let lines = text.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("    {line}\n") });
        lines.collect()
    };
    let example = include_str!("../examples/http.rs");
    assert!(example.lines().count() <= 30 && DOCS.contains(&quoted(example)), "examples/http.rs is another");
    let build = include_str!("../build.rs");
    let arguments = build.lines().find(|line| line.contains("for argument in")).expect("the linker's arguments");
    assert!(DOCS.contains(arguments.trim()), "{arguments}");
}
