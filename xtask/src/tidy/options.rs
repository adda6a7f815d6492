//! The README's table of options: written by the program itself, so that it cannot be wrong.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{paths, shell};

const START: &str = "<!-- options: written by `cargo xtask readme` -->";
const END: &str = "<!-- end of options -->";

/// Checks that the README holds the options of `program` as it prints them itself.
pub(crate) fn check(program: &Path) -> Result<()> {
    let readme = read()?;
    if with_table(&readme, &printed(program)?)? == readme {
        return Ok(());
    }
    bail!("README.md does not hold the options as they are: run `cargo xtask readme`");
}

/// Writes them into the README.
pub(crate) fn write(program: &Path) -> Result<()> {
    let text = with_table(&read()?, &printed(program)?)?;
    std::fs::write(paths::root().join("README.md"), text).context("README.md")
}

fn read() -> Result<String> {
    std::fs::read_to_string(paths::root().join("README.md")).context("README.md")
}

fn printed(program: &Path) -> Result<String> {
    let table = shell::output(Command::new(program).args(["serve", "--print-options"]));
    table.with_context(|| format!("{} serve --print-options fails", program.display()))
}

/// `readme` with `table` between the two marks.
fn with_table(readme: &str, table: &str) -> Result<String> {
    let (before, rest) = readme.split_once(START).with_context(|| format!("README.md has no line {START}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("README.md has no line {END}"))?;
    Ok(format!("{before}{START}\n\n{}\n\n{END}{after}", table.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_replaced_and_nothing_else() {
        let old = format!("# A\n{START}\nold\n{END}\nrest\n");
        let new = with_table(&old, "| a |\n").unwrap();
        assert_eq!(new, format!("# A\n{START}\n\n| a |\n\n{END}\nrest\n"));
        assert_eq!(with_table(&new, "| a |").unwrap(), new);
        assert!(with_table("# A\n", "| a |").is_err());
    }
}
