//! Manifests: what the workspace declares once, a crate inherits; and a dependency says why it is there.

use super::Finding;
use super::tree::Tree;

/// What every package takes from the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

/// Crates that know no operating system: sockets are given to them.
const WITHOUT_SOCKETS: [&str; 5] = ["device", "netstack", "paf", "pasteur", "store"];

/// Features by which others bring sockets of their own.
const SOCKETS: [(&str, &str); 3] = [("tokio", "\"net\""), ("tokio", "\"full\""), ("quinn", "\"runtime-tokio\"")];

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
    let (mut inside, mut reason, mut shipped) = (false, false, false);
    let is_without = WITHOUT_SOCKETS.iter().any(|name| file == format!("crates/{name}/Cargo.toml"));
    for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if line.starts_with('[') {
            let header = line.trim_matches(['[', ']']);
            inside = header.ends_with("dependencies");
            shipped = inside && !header.ends_with("dev-dependencies");
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
            let brings = |(other, feature): &(&str, &str)| *other == name && value.contains(feature);
            if is_without && shipped && SOCKETS.iter().any(brings) {
                findings.push(Finding::new(
                    file,
                    at,
                    format!("{name} is to bring no sockets: they are given to this crate"),
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
    fn sockets_where_none_belong_are_found() {
        let manifest = |tokio: &str, table: &str| GOOD.replace("[dependencies]", &format!("{table}\n# tasks\n{tokio}"));
        let at = |file: &str, text: &str| check(&Tree::of([(file, text)])).len();
        let net = "tokio = { workspace = true, features = [\"net\", \"rt\"] }";
        assert_eq!(at("crates/paf/Cargo.toml", &manifest(net, "[dependencies]")), 1);
        assert_eq!(at("crates/paf/Cargo.toml", &manifest("tokio.workspace = true", "[dependencies]")), 0);
        assert_eq!(at("crates/host/Cargo.toml", &manifest(net, "[dependencies]")), 0);
        assert_eq!(at("crates/paf/Cargo.toml", &format!("{GOOD}[dev-dependencies]\n# tests\n{net}\n")), 0);
    }

    #[test]
    fn the_root_forbids_unsafe_code() {
        assert_eq!(check(&Tree::of([("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"warn\"\n")])).len(), 1);
        assert_eq!(check(&Tree::of([("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n")])), []);
    }
}
