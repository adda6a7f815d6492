//! Documents: those that have to be there are, their links lead somewhere, and the change log knows the version.

use super::Finding;
use super::tree::Tree;

const DOCUMENTS: [&str; 6] =
    ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Checks the documents.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<_> = DOCUMENTS
        .iter()
        .filter(|document| tree.text(document).is_none())
        .map(|document| Finding::new(document, 0, "is missing"))
        .collect();
    for (file, text) in tree.texts().filter(|(file, _)| file.ends_with(".md")) {
        for (at, line) in text.lines().enumerate() {
            for link in links(line) {
                let target = resolve(file, link);
                if !tree.paths().any(|path| path == target || path.starts_with(&format!("{target}/"))) {
                    findings.push(Finding::new(file, at + 1, format!("the link {link} leads nowhere")));
                }
            }
        }
    }
    findings.extend(change_log(tree));
    findings
}

/// The change log has a section for the version of the workspace.
fn change_log(tree: &Tree) -> Option<Finding> {
    let (root, log) = (tree.text("Cargo.toml")?, tree.text("CHANGELOG.md")?);
    let version = root.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))?;
    let known = log.lines().any(|line| line.strip_prefix("## ").is_some_and(|title| title.starts_with(version)));
    (!known).then(|| Finding::new("CHANGELOG.md", 0, format!("there is no section for version {version}")))
}

/// The targets of a line's Markdown links that lead into the repository, without fragments.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let link = rest.split([')', ' ', '#']).next()?;
        let outside = link.is_empty() || link.contains("://") || link.starts_with("mailto:");
        (!outside).then_some(link)
    })
}

/// A link of `file`, from the root.
fn resolve(file: &str, link: &str) -> String {
    let mut path: Vec<_> = file.split('/').collect();
    path.pop();
    for step in link.trim_end_matches('/').split('/') {
        match step {
            "." => {}
            ".." => drop(path.pop()),
            step => path.push(step),
        }
    }
    path.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(tree: &Tree, word: &str) -> usize {
        check(tree).iter().filter(|finding| finding.to_string().contains(word)).count()
    }

    #[test]
    fn a_missing_document_is_found() {
        assert_eq!(about(&Tree::of([("README.md", "x")]), "is missing"), DOCUMENTS.len() - 1);
    }

    #[test]
    fn a_dead_link_is_found() {
        let good = "[a](../crates/x/lib.rs) [b](b.md#there) [c](https://x/y) [d](#here) [e](../crates)";
        let tree = Tree::of([("docs/a.md", good), ("docs/b.md", ""), ("crates/x/lib.rs", "")]);
        assert_eq!(about(&tree, "leads nowhere"), 0);
        assert_eq!(about(&Tree::of([("docs/a.md", "x\n[b](b.md)")]), "docs/a.md:2: the link b.md leads nowhere"), 1);
    }

    #[test]
    fn a_version_without_changes_is_found() {
        let tree = |log| Tree::of([("Cargo.toml", "version = \"0.2.0\"\n"), ("CHANGELOG.md", log)]);
        assert_eq!(about(&tree("## 0.1.0\n"), "no section for version 0.2.0"), 1);
        assert_eq!(about(&tree("## 0.2.0, unreleased\n"), "no section"), 0);
    }
}
