//! How cargo is called for the library operating system's target. The standard library is built with it, once, in a folder
//! of its own: the tests of `libos` call cargo in the same way.

use std::process::Command;

use crate::{paths, shell};

const TARGET: &str = "x86_64-unknown-hermit";

/// Cargo, for the target; `verb` is build or clippy.
pub(crate) fn cargo(verb: &str) -> Command {
    let mut cargo = shell::cargo();
    cargo
        .args([verb, "--profile", "unikernel", "--target", TARGET])
        .args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=compiler-builtins-mem"])
        .env("CARGO_TARGET_DIR", paths::target().join("unikernel"))
        .env("RUSTC_BOOTSTRAP", "1")
        // Symbols that link-time optimisation has taken in cannot be compared.
        .env("CARGO_PROFILE_UNIKERNEL_LTO", "off")
        .env("RUSTFLAGS", "-Crelocation-model=static -Cforce-frame-pointers=yes");
    cargo
}
