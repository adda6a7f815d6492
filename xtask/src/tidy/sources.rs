//! Source files: an opening line, a length, no JavaScript, no leftovers.

use super::Finding;
use super::tree::Tree;

/// The most lines of a file.
const MOST: usize = 600;

/// Files that may be longer, each with its reason.
const LONGER: &[(&str, &str)] = &[];

/// Examples that show how little it takes.
const SHORT: [&str; 3] =
    ["crates/host/examples/hello.rs", "crates/host/examples/tap.rs", "crates/paf/examples/simulated.rs"];

/// How many lines that is, at most.
const LITTLE: usize = 39;

/// Endings of files that nobody writes here: glue is generated, never committed.
const SCRIPTS: [&str; 7] = [".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".tsx"];

/// Macros and attributes that say that something is missing.
const LEFTOVERS: [&str; 4] =
    [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!("), concat!("FIX", "ME")];

/// Checks every file's name, and every Rust file's text.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in tree.paths() {
        if SCRIPTS.iter().any(|ending| path.ends_with(ending)) {
            findings.push(Finding::new(path, 0, "nobody writes JavaScript here: the glue is generated"));
        }
    }
    for (file, text) in tree.sources() {
        if !text.starts_with("//! ") {
            findings.push(Finding::new(file, 1, "a file opens with //! and what it is"));
        }
        let lines = text.lines().count();
        if lines > MOST && !LONGER.iter().any(|(long, _)| *long == file) {
            findings.push(Finding::new(
                file,
                0,
                format!("{lines} lines; split what is longer than {MOST}, or say why not"),
            ));
        }
        for (at, line) in text.lines().enumerate() {
            if let Some(leftover) = LEFTOVERS.iter().find(|leftover| line.contains(**leftover)) {
                findings.push(Finding::new(file, at + 1, format!("{leftover} says that something is missing")));
            }
            let bare = line.trim_start();
            let silences = bare.starts_with("#[ignore]") || (bare.starts_with("#![allow(") && !is_test(file));
            if silences && !bare.contains("reason") {
                findings.push(Finding::new(file, at + 1, "an exception gives its reason"));
            }
        }
    }
    for file in SHORT {
        if tree.text(file).is_some_and(|text| text.lines().count() > LITTLE) {
            findings.push(Finding::new(file, 0, format!("an example that is to have {LITTLE} lines at most")));
        }
    }
    for (file, _) in LONGER {
        if tree.text(file).is_some_and(|text| text.lines().count() <= MOST) {
            findings.push(Finding::new(file, 0, "it is short enough by now: take it off the list of long files"));
        }
    }
    findings
}

/// A test fails by panicking, and nobody reads its documentation.
fn is_test(file: &str) -> bool {
    ["tests/", "benches/", "examples/", "fuzz/"].iter().any(|folder| file.contains(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&Tree::of([(path, text)])).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_file_without_an_opening_line_is_found() {
        assert_eq!(findings("a.rs", "//! What it is.\nfn main() {}\n"), [""; 0]);
        assert_eq!(findings("a.rs", "fn main() {}\n").len(), 1);
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(findings("a.rs", &format!("//! A\n{}", "\n".repeat(599))), [""; 0]);
        assert!(findings("a.rs", &format!("//! A\n{}", "\n".repeat(600)))[0].starts_with("601 lines"));
    }

    #[test]
    fn an_example_that_grows_is_found() {
        for file in SHORT {
            assert_eq!(findings(file, &format!("//! A\n{}", "\n".repeat(38))), [""; 0]);
            assert_eq!(findings(file, &format!("//! A\n{}", "\n".repeat(39))).len(), 1);
        }
    }

    #[test]
    fn javascript_is_found() {
        assert_eq!(findings("site/a.js", "1").len(), 1);
        assert_eq!(findings("e2e/a.ts", "1").len(), 1);
    }

    #[test]
    fn leftovers_and_unexplained_exceptions_are_found() {
        assert_eq!(findings("a.rs", concat!("//! A\nfn a() { todo", "!() }\n")).len(), 1);
        assert_eq!(findings("a.rs", "//! A\n#[ignore]\nfn a() {}\n").len(), 1);
        assert_eq!(findings("a.rs", "//! A\n#![allow(missing_docs)]\n").len(), 1);
        assert_eq!(findings("tests/a.rs", "//! A\n#![allow(missing_docs)]\n"), [""; 0]);
        assert_eq!(findings("a.rs", "//! A\n#![allow(missing_docs, reason = \"a test\")]\n"), [""; 0]);
    }
}
