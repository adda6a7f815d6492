//! `cargo xtask tidy`: the habits that no compiler checks. Each rule is a function from the tree of files to findings,
//! with a test beside it that shows it something wrong.

mod docs;
mod layers;
mod manifests;
mod options;
mod sources;
mod style;
mod tree;
mod words;

use std::fmt;

use anyhow::{Result, bail};

use tree::Tree;

use crate::paths;

pub(crate) use layers::PURE;
pub(crate) use options::{check as options, write as write_options};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    file: String,
    /// From 1; 0 where it is the whole file.
    line: usize,
    what: String,
}

impl Finding {
    fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}: {}", self.file, self.what),
        }
    }
}

/// A rule and its name.
type Rule = (&'static str, fn(&Tree) -> Vec<Finding>);

const RULES: &[Rule] = &[
    ("a crate depends on smaller layers only", layers::check),
    ("what the workspace declares is declared there alone", manifests::check),
    ("a source file says what it is and stays short", sources::check),
    ("nothing names a machine, a registry or who wrote it", words::check),
    ("the documents tell the truth", docs::check),
    ("files are short", style::check),
];

/// Checks the repository.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::read(&paths::root())?;
    let mut wrong = 0;
    for (name, rule) in RULES {
        let findings = rule(&tree);
        println!("    {} {name}", if findings.is_empty() { "ok " } else { "NOT" });
        for finding in &findings {
            println!("        {finding}");
        }
        wrong += findings.len();
    }
    style::print(&tree);
    if wrong > 0 {
        bail!("found: {wrong}");
    }
    Ok(())
}
