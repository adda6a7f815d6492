//! How the examples are linked for the library operating system: where they lie in memory, and where they begin.
//! A program outside this crate prints the same lines, for its binaries, from a build script of its own.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("hermit") {
        for argument in ["-e_start", "--image-base=0x200000", "-zseparate-code", "-zmax-page-size=0x1000"] {
            println!("cargo::rustc-link-arg-examples={argument}");
        }
    }
}
