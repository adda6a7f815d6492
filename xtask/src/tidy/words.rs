//! Words that do not belong into a repository: a machine's paths, a registry's hosts, who or what typed it.

use super::Finding;
use super::tree::Tree;

/// Each is split here, so that this file does not hold it.
const WORDS: [(&str, &str); 13] = [
    (concat!("/ro", "ot/"), "a machine's path"),
    (concat!("/ho", "me/"), "a machine's path"),
    (concat!("/wo", "rk/"), "a machine's path"),
    (concat!("/Use", "rs/"), "a machine's path"),
    (concat!("index.crates", ".io"), "a registry's host"),
    (concat!("static.crates", ".io"), "a registry's host"),
    (concat!("registry.npmjs", ".org"), "a registry's host"),
    (concat!("files.pythonhosted", ".org"), "a registry's host"),
    (concat!("deb.debian", ".org"), "a registry's host"),
    (concat!("static.rust-lang", ".org"), "a registry's host"),
    (concat!("co-authored", "-by"), "who typed it, which git knows"),
    (concat!("language ", "model"), "what typed it"),
    (concat!("sub", "agent"), "what typed it"),
];

/// Checks every text file but the lock, which cargo writes.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let texts = tree.texts().filter(|(file, _)| !file.ends_with("Cargo.lock"));
    let mut findings = Vec::new();
    for (file, text) in texts {
        for (at, line) in text.lines().enumerate() {
            let folded = line.to_ascii_lowercase();
            for (word, why) in WORDS.iter().filter(|(word, _)| folded.contains(&word.to_ascii_lowercase())) {
                findings.push(Finding::new(file, at + 1, format!("{word} is {why}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_in_any_case_and_file() {
        for (word, _) in WORDS {
            let text = format!("nothing\nsee {} here\n", word.to_ascii_uppercase());
            let found = check(&Tree::of([("docs/a.md", &text)]));
            assert_eq!(found.len(), 1, "{word}");
            assert_eq!(found[0].line, 2);
            assert_eq!(check(&Tree::of([("Cargo.lock", &text)])), []);
        }
        assert_eq!(check(&Tree::of([("docs/a.md", "plain words\n")])), []);
    }
}
