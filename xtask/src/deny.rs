//! What dependencies may be: their licences, names and sources, as `deny.toml` says.
//!
//! cargo-deny checks the same and more, but takes minutes to build; this needs only `cargo metadata`.

mod licence;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{paths, shell};

/// Checks every package that any feature or target of the workspace can bring in.
pub(crate) fn run() -> Result<()> {
    let text = std::fs::read_to_string(paths::root().join("deny.toml")).context("deny.toml")?;
    let rules = Rules::read(&text)?;
    let metadata =
        shell::output(shell::cargo().args(["metadata", "--format-version", "1", "--locked", "--all-features"]))
            .context("cargo metadata --locked fails: is Cargo.lock up to date?")?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = packages(&metadata)?;
    let wrong: Vec<_> = packages.iter().filter_map(|package| rules.refuse(package)).collect();
    for refusal in &wrong {
        println!("    {refusal}");
    }
    let foreign = packages.iter().filter(|package| package.source.is_some()).count();
    let twice = twice(&packages);
    println!("    {foreign} packages of others; in more than one version: {}", twice.join(", "));
    if wrong.is_empty() { Ok(()) } else { bail!("{} packages are refused by deny.toml", wrong.len()) }
}

/// One package of the graph.
#[derive(Clone, Debug, Default)]
struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    /// Where it is from; our own are from nowhere.
    source: Option<String>,
}

/// What `deny.toml` says.
#[derive(Debug)]
struct Rules {
    licences: BTreeSet<String>,
    banned: BTreeSet<String>,
}

/// The one registry, as cargo writes it.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

impl Rules {
    fn read(text: &str) -> Result<Self> {
        let table: toml::Table = text.parse()?;
        let list = |section: &str, key: &str| -> Result<BTreeSet<String>> {
            let list = table.get(section).and_then(|section| section.get(key)).and_then(toml::Value::as_array);
            let list = list.with_context(|| format!("deny.toml has no {section}.{key}"))?;
            Ok(list.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect())
        };
        Ok(Self { licences: list("licenses", "allow")?, banned: list("bans", "deny")? })
    }

    /// Why a package may not be here.
    fn refuse(&self, package: &Package) -> Option<String> {
        let Package { name, version, licence, source } = package;
        if self.banned.contains(name) {
            return Some(format!("{name} {version} is banned"));
        }
        let source = source.as_deref()?;
        if source != REGISTRY {
            return Some(format!("{name} {version} is from {source}, and only crates.io is allowed"));
        }
        match licence {
            None => Some(format!("{name} {version} names no licence")),
            Some(text) => match licence::allows(text, |id| self.licences.contains(id)) {
                Some(true) => None,
                Some(false) => Some(format!("{name} {version} is under {text}, which deny.toml does not allow")),
                None => Some(format!("{name} {version}: {text:?} is no licence expression")),
            },
        }
    }
}

fn packages(metadata: &Value) -> Result<Vec<Package>> {
    let list = metadata.get("packages").and_then(Value::as_array).context("cargo metadata names no packages")?;
    let text = |package: &Value, key: &str| package.get(key).and_then(Value::as_str).map(str::to_owned);
    list.iter()
        .map(|package| {
            Ok(Package {
                name: text(package, "name").context("a package has no name")?,
                version: text(package, "version").unwrap_or_default(),
                licence: text(package, "license"),
                source: text(package, "source"),
            })
        })
        .collect()
}

/// The names that are there in several versions.
fn twice(packages: &[Package]) -> Vec<String> {
    let mut count = BTreeMap::new();
    for package in packages {
        *count.entry(package.name.clone()).or_insert(0) += 1;
    }
    count.into_iter().filter(|(_, versions)| *versions > 1).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules::read("[licenses]\nallow = [\"MIT\"]\n[bans]\ndeny = [\"openssl\"]\n").unwrap()
    }

    fn package(name: &str, licence: Option<&str>, source: &str) -> Package {
        let source = (!source.is_empty()).then(|| source.to_owned());
        Package { name: name.into(), version: "1.0.0".into(), licence: licence.map(Into::into), source }
    }

    #[test]
    fn what_is_allowed_passes() {
        assert_eq!(rules().refuse(&package("serde", Some("MIT OR Apache-2.0"), REGISTRY)), None);
        assert_eq!(rules().refuse(&package("pasteur", None, "")), None);
    }

    #[test]
    fn licences_names_and_sources_are_refused() {
        let refuse = |name, licence, source| rules().refuse(&package(name, licence, source)).unwrap();
        assert!(refuse("gnu", Some("GPL-3.0-only"), REGISTRY).contains("GPL-3.0-only"));
        assert!(refuse("none", None, REGISTRY).contains("names no licence"));
        assert!(refuse("odd", Some("MIT AND"), REGISTRY).contains("no licence expression"));
        assert!(refuse("openssl", Some("MIT"), REGISTRY).contains("banned"));
        assert!(refuse("fork", Some("MIT"), "git+https://example.org/fork").contains("only crates.io"));
    }

    #[test]
    fn the_workspaces_rules_can_be_read() {
        let rules = Rules::read(include_str!("../../deny.toml")).unwrap();
        assert!(rules.licences.contains("MIT") && rules.banned.contains("openssl"));
    }
}
