//! Who may depend on whom: the table of ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::tree::Tree;

/// Every crate's layer. A crate depends only on crates of smaller layers.
const LAYERS: [(&str, u8); 16] = [
    ("multipart-form", 0),
    ("docteur", 0),
    ("api", 0),
    ("envelope", 1),
    ("device", 1),
    ("paf", 2),
    ("netstack", 2),
    ("store", 2),
    ("docteur-make", 2),
    ("pasteur", 3),
    ("host", 3),
    ("libos", 3),
    ("pasteur-cli", 4),
    ("pasteur-web", 4),
    ("docteur-cli", 4),
    ("pasteur-unikernel", 4),
];

/// The crates that must build without the standard library.
pub(crate) const PURE: [&str; 4] = ["multipart-form", "docteur", "api", "envelope"];

/// Who may know how a paste is sealed. That the server cannot read one is an edge that does not exist.
const READERS: [&str; 2] = ["pasteur-cli", "pasteur-web"];

/// Two worlds that never meet, not even in a test.
const APART: [(&str, &str); 2] = [("host", "libos"), ("libos", "host")];

/// What a crate depends on; tests may reach further than the crate itself.
#[derive(Debug, Default)]
struct Edges {
    file: String,
    normal: BTreeSet<String>,
    tests: BTreeSet<String>,
}

/// Applies the table.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut crates = BTreeMap::new();
    for (file, text) in tree.manifests() {
        match edges(file, text) {
            Ok((name, edges)) => drop(crates.insert(name, edges)),
            Err(error) => findings.push(Finding::new(file, 0, error)),
        }
    }
    for (name, edges) in &crates {
        let layer = layer(name);
        if layer.is_none() && edges.file.starts_with("crates/") {
            findings.push(Finding::new(&edges.file, 0, format!("{name} has no layer: add it to the table")));
        }
        for other in edges.normal.iter().filter(|other| crates.contains_key(*other)) {
            let allowed = match (layer, self::layer(other)) {
                (Some(mine), Some(its)) => its < mine,
                // Tools may use every crate; nobody may use a tool.
                (None, its) => its.is_some(),
                (Some(_), None) => false,
            };
            if !allowed {
                let what = format!("{name} must not depend on {other}: its layer is not smaller");
                findings.push(Finding::new(&edges.file, 0, what));
            }
        }
        if layer.is_some() && !READERS.contains(&name.as_str()) && name != "envelope" {
            let reached = reach(&crates, name);
            if reached.contains("envelope") {
                findings.push(Finding::new(&edges.file, 0, format!("{name} must never reach envelope")));
            }
        }
        for (_, other) in APART.iter().filter(|(this, _)| this == name) {
            if reach(&crates, name).contains(*other) {
                findings.push(Finding::new(&edges.file, 0, format!("{name} must never see {other}")));
            }
        }
    }
    for name in PURE {
        let file = format!("crates/{name}/src/lib.rs");
        if tree.text(&file).is_some_and(|text| !text.lines().any(is_no_std)) {
            findings.push(Finding::new(&file, 0, format!("{name} is pure: it has to say #![no_std]")));
        }
    }
    findings
}

/// Whether a crate stands in the table.
pub(super) fn is_known(name: &str) -> bool {
    layer(name).is_some()
}

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

/// `#![no_std]`, or the same where a feature of adaptors is off.
fn is_no_std(line: &str) -> bool {
    let line = line.trim();
    line == "#![no_std]" || (line.starts_with("#![cfg_attr(not(") && line.ends_with(", no_std)]"))
}

/// What `name` reaches: its own dependencies, its tests' too, and whatever these depend on.
fn reach(crates: &BTreeMap<String, Edges>, name: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<_> = crates.get(name).into_iter().flat_map(|e| e.normal.iter().chain(&e.tests)).collect();
    while let Some(next) = open.pop() {
        if reached.insert(next.clone()) {
            open.extend(crates.get(next).into_iter().flat_map(|edges| &edges.normal));
        }
    }
    reached
}

fn edges(file: &str, text: &str) -> Result<(String, Edges), String> {
    let manifest: toml::Table = text.parse().map_err(|e: toml::de::Error| e.message().to_owned())?;
    let name = manifest.get("package").and_then(|p| p.get("name")).and_then(toml::Value::as_str);
    let name = name.ok_or("the package has no name")?.to_owned();
    let mut edges = Edges { file: file.to_owned(), ..Edges::default() };
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let tables = targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table);
    for table in std::iter::once(&manifest).chain(tables) {
        let names =
            |kind: &str| table.get(kind).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
        edges.normal.extend(names("dependencies").chain(names("build-dependencies")).cloned());
        edges.tests.extend(names("dev-dependencies").cloned());
    }
    Ok((name, edges))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, normal: &str, tests: &str) -> String {
        let table = |kind: &str, name: &str| match name {
            "" => String::new(),
            name => format!("[{kind}]\n{name}.workspace = true\n"),
        };
        let tables = table("dependencies", normal) + &table("dev-dependencies", tests);
        format!("[package]\nname = \"{name}\"\n{tables}")
    }

    fn findings(crates: [(&str, &str, &str); 3]) -> Vec<String> {
        let files =
            crates.map(|(name, normal, tests)| (format!("crates/{name}/Cargo.toml"), manifest(name, normal, tests)));
        let [a, b, c] = &files;
        let tree = Tree::of([(&a.0, &a.1), (&b.0, &b.1), (&c.0, &c.1)]);
        check(&tree).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_larger_or_equal_layer_is_refused() {
        assert_eq!(findings([("api", "", ""), ("store", "api", ""), ("pasteur", "store", "")]), [""; 0]);
        let up = findings([("api", "store", ""), ("store", "", ""), ("paf", "store", "")]);
        assert_eq!(up.len(), 2, "{up:?}");
        assert!(up[0].starts_with("api must not depend on store"));
        assert!(up[1].starts_with("paf must not depend on store"));
    }

    #[test]
    fn the_server_never_reaches_the_envelope_not_even_in_tests() {
        let found = findings([("envelope", "", ""), ("pasteur", "", "envelope"), ("pasteur-cli", "envelope", "")]);
        assert_eq!(found, ["pasteur must never reach envelope"]);
    }

    #[test]
    fn the_two_worlds_never_meet() {
        assert_eq!(
            findings([("host", "", "libos"), ("libos", "", ""), ("api", "", "")]),
            ["host must never see libos"]
        );
    }

    #[test]
    fn an_unknown_crate_and_a_manifest_that_is_none_are_found() {
        let found = findings([("stranger", "", ""), ("api", "", ""), ("device", "", "")]);
        assert_eq!(found, ["stranger has no layer: add it to the table"]);
        assert_eq!(check(&Tree::of([("crates/x/Cargo.toml", "[package")])).len(), 1);
    }

    #[test]
    fn a_pure_crate_says_no_std() {
        let tree = Tree::of([("crates/api/src/lib.rs", "//! Ids.\n")]);
        assert_eq!(check(&tree).len(), 1);
    }
}
