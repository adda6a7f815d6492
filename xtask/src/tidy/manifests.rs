//! Manifests: what the workspace declares once, a crate inherits; and a dependency says why it is there.

use super::Finding;
use super::tree::Tree;

/// What every package takes from the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

/// Checks every member's manifest, and the root's lints.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<_> = tree.manifests().flat_map(|(file, text)| manifest(file, text)).collect();
    match tree.text("Cargo.toml") {
        Some(text) if !text.lines().any(|line| line == "unsafe_code = \"forbid\"") => {
            findings.push(Finding::new("Cargo.toml", 0, "the workspace's lints have to forbid unsafe_code"));
        }
        _ => {}
    }
    findings
}

fn manifest(file: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Ok(table) = text.parse::<toml::Table>() else { return vec![Finding::new(file, 0, "this is no TOML")] };
    let inherits = |value: Option<&toml::Value>| {
        value.and_then(|v| v.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
    };
    let package = table.get("package");
    for key in INHERITED {
        if !inherits(package.and_then(|p| p.get(key))) {
            findings.push(Finding::new(file, 0, format!("{key} has to be the workspace's: {key}.workspace = true")));
        }
    }
    // The library operating system is where unsafe code lives: it declares lints of its own.
    if file != "crates/libos/Cargo.toml" && !inherits(table.get("lints")) {
        findings.push(Finding::new(file, 0, "the lints have to be the workspace's: [lints] workspace = true"));
    }
    findings.extend(dependencies(file, text));
    findings
}

/// Reads the lines rather than the tables, because a reason is a comment.
fn dependencies(file: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut inside, mut reason) = (false, false);
    for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if line.starts_with('[') {
            let header = line.trim_matches(['[', ']']);
            inside = header.ends_with("dependencies");
            if header.contains("dependencies.") {
                findings.push(Finding::new(file, at, "write a dependency as one line in its table"));
            }
            reason = false;
        } else if line.is_empty() {
            reason = false;
        } else if line.starts_with('#') {
            reason = true;
        } else if inside && let Some((key, value)) = line.split_once('=') {
            let name = key.trim().trim_end_matches(".workspace");
            // A crate that turns on a feature of its own for its tests names itself.
            let itself = value.contains("path = \".\"");
            let shared = itself || key.trim().ends_with(".workspace") || value.contains("workspace = true");
            if !shared {
                findings.push(Finding::new(
                    file,
                    at,
                    format!("the version of {name} belongs into the root's Cargo.toml"),
                ));
            }
            if !reason && !is_ours(name) {
                findings.push(Finding::new(file, at, format!("say above {name}, in one line, why it is needed")));
            }
        }
    }
    findings
}

/// Our own crates need no reason: ARCHITECTURE.md gives it.
fn is_ours(name: &str) -> bool {
    super::layers::is_known(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"x\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\
        [lints]\nworkspace = true\n\
        [dependencies]\n# the wire is JSON\nserde.workspace = true\nserde_json = { workspace = true }\n\n\
        api.workspace = true\n";

    fn findings(text: &str) -> Vec<String> {
        check(&Tree::of([("crates/x/Cargo.toml", text)])).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_good_manifest_passes() {
        assert_eq!(findings(GOOD), [""; 0]);
    }

    #[test]
    fn a_version_edition_or_lint_of_its_own_is_found() {
        assert!(findings(&GOOD.replace("edition.workspace = true", "edition = \"2021\""))[0].starts_with("edition"));
        assert!(findings(&GOOD.replace("[lints]\nworkspace = true", ""))[0].starts_with("the lints"));
        let pinned = findings(&GOOD.replace("serde.workspace = true", "serde = \"1\""));
        assert_eq!(pinned, ["the version of serde belongs into the root's Cargo.toml"]);
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let bare = findings(&GOOD.replace("# the wire is JSON\n", ""));
        assert_eq!(bare.len(), 2, "{bare:?}");
        let table = findings(&format!("{GOOD}\n[dependencies.rand]\nworkspace = true\n"));
        assert_eq!(table, ["write a dependency as one line in its table"]);
    }

    #[test]
    fn the_root_forbids_unsafe_code() {
        assert_eq!(check(&Tree::of([("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"warn\"\n")])).len(), 1);
        assert_eq!(check(&Tree::of([("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n")])), []);
    }
}
