//! The README's table of options, from their definitions.

use std::fmt::Write;

use clap::Command;

/// The table in Markdown.
pub(super) fn markdown(program: &Command) -> String {
    let mut out = String::from("| option | environment | default | |\n|---|---|---|---|\n");
    let serve = program.find_subcommand("serve").into_iter();
    for option in serve.flat_map(Command::get_arguments).filter(|option| !option.is_hide_set()) {
        let Some(long) = option.get_long().filter(|long| *long != "help") else { continue };
        let value = option.get_value_names().filter(|_| option.get_action().takes_values());
        let value = value.and_then(|names| names.first()).map(|name| format!(" {name}")).unwrap_or_default();
        let env = option.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
        let help = option.get_help().map(ToString::to_string).unwrap_or_default();
        // A default that clap does not know is told in brackets at the help's end.
        let (help, said) = match help.split_once(" [default: ") {
            Some((help, said)) => (help.to_owned(), said.trim_end_matches(']').to_owned()),
            None => (help.clone(), String::new()),
        };
        let known: Vec<String> =
            option.get_default_values().iter().map(|v| format!("`{}`", v.to_string_lossy())).collect();
        let default = if option.get_action().takes_values() && !known.is_empty() { known.join(", ") } else { said };
        let _ = writeln!(out, "| `--{long}{value}` | {env} | {default} | {help} |");
    }
    out
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn every_option_has_its_line() {
        let table = super::markdown(&crate::args::Args::command());
        for line in [
            "| `--max-paste SIZE` | `PASTEUR_MAX_PASTE` | `2GiB` | The largest content of a paste |",
            "| `--log-clients` | `PASTEUR_LOG_CLIENTS` |  | Name clients' addresses in the log |",
            "| `--quota SIZE` | `PASTEUR_QUOTA` | what the disk holds | The most bytes of content in all |",
        ] {
            assert!(table.lines().any(|l| l == line), "{line}\n{table}");
        }
        assert!(!table.contains("group-commit"));
    }
}
