//! axe-core, the accessibility checker, run in a page.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::browser::Browser;
use crate::turn::artifacts;

/// The version whose rules the pages are held to.
const VERSION: &str = "4.14.1";

/// Every rule of WCAG 2.2 at levels A and AA, and axe's good practices.
const RUN: &str = "axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice'],
    resultTypes: ['violations'],
}).then(r => r.violations.map(v => `${v.id} (${v.impact}): ${v.help}: `
    + v.nodes.map(n => n.target.join(' ') + ' [' + n.any.concat(n.all, n.none).map(c => c.message).join('; ') + ']').join(', ')))";

impl Browser {
    /// Holds the page, as it is now, to WCAG 2.2 AA as far as a program can; `state` names it in the error.
    ///
    /// # Errors
    /// A rule is violated, or axe-core cannot be had.
    pub async fn is_accessible(&self, state: &str) -> Result<()> {
        if self.evaluate("typeof axe").await? == "undefined" {
            let source = fs::read_to_string(axe()?)?;
            // Without a value, for the library's object is none that can be handed out.
            self.evaluate(&format!("{source}; undefined")).await.context("loading axe-core")?;
        }
        let violations = self.evaluate(RUN).await?;
        let violations: Vec<&str> = violations.as_array().into_iter().flatten().filter_map(|v| v.as_str()).collect();
        ensure!(violations.is_empty(), "{state}: not accessible:\n  {}", violations.join("\n  "));
        Ok(())
    }
}

/// axe-core's file; npm fetches it, once for all tests.
fn axe() -> Result<PathBuf> {
    let folder = artifacts().join("npm");
    let file = folder.join("node_modules/axe-core/axe.min.js");
    fs::create_dir_all(&folder)?;
    // Another process of the tests may be fetching it.
    let lock = File::create(folder.join(".lock"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    if !file.is_file() {
        let package = format!("axe-core@{VERSION}");
        let done = Command::new("npm")
            .args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"])
            .arg(&folder)
            .arg(&package)
            .output()
            .context("`npm` is not installed: `cargo xtask test` installs it (Debian: apt-get install npm)")?;
        ensure!(done.status.success(), "npm could not fetch {package}: {}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(file)
}
