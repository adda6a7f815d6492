//! What is generated from the arguments' definitions: shell completions and the manual.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::args::{Args, CompletionsArgs, ManArgs};

/// Prints a shell's completions to standard output.
pub(crate) fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut page = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "pasteur", &mut page);
    print(&page)
}

/// Prints a page of the manual to standard output, or writes them all into a folder.
pub(crate) fn man(args: &ManArgs) -> ExitCode {
    let mut program = Args::command().disable_help_subcommand(true);
    program.build();
    if let Some(folder) = &args.all {
        return match write_all(&program, folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("pasteur: cannot write the manual into {}: {e}", folder.display());
                ExitCode::from(7)
            }
        };
    }
    let command = args.command.iter().try_fold(&program, |command, name| command.find_subcommand(name));
    match command.map(page) {
        Some(Ok(page)) => print(&page),
        None => {
            eprintln!("pasteur: there is no command {}", args.command.join(" "));
            ExitCode::from(2)
        }
        Some(Err(_)) => ExitCode::FAILURE,
    }
}

fn write_all(command: &Command, folder: &Path) -> io::Result<()> {
    std::fs::write(folder.join(format!("{}.1", title(command))), page(command)?)?;
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_for_each(|command| write_all(command, folder))
}

/// `pasteur`, `pasteur-put`, ...
fn title(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// A page in the language of man(7).
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let source = concat!("pasteur ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).title(title(command)).source(source).manual("Pasteur");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    environment(command, &mut page)?;
    if let Some(text) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        notes(&text.to_string(), &mut page)?;
    }
    Ok(page)
}

fn environment(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let mut options =
        command.get_arguments().filter_map(|arg| Some((arg.get_env()?.to_str()?, arg.get_long()?))).peekable();
    if options.peek().is_some() {
        writeln!(page, ".SH ENVIRONMENT")?;
    }
    for (variable, option) in options {
        writeln!(page, ".TP\n{}\nas {}, which goes before it", escape(variable), escape(&format!("--{option}")))?;
    }
    Ok(())
}

/// What help ends with: paragraphs, and under a line with a colon at its end a table whose lines stay as they are.
fn notes(text: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let mut headed = false;
    for paragraph in text.split("\n\n") {
        match paragraph.split_once(":\n") {
            Some((heading, table)) if !heading.contains('\n') => {
                writeln!(page, ".SH {}\n.nf", escape(&heading.to_uppercase()))?;
                for line in table.lines() {
                    writeln!(page, "{}", escape(line.strip_prefix("  ").unwrap_or(line)))?;
                }
                writeln!(page, ".fi")?;
                headed = false;
            }
            _ => {
                writeln!(page, "{}", if headed { ".PP" } else { ".SH NOTES" })?;
                headed = true;
                for line in paragraph.lines() {
                    writeln!(page, "{}", escape(line))?;
                }
            }
        }
    }
    Ok(())
}

/// A line of text that man(7) takes for text alone.
fn escape(line: &str) -> String {
    let mut text = String::from(if line.starts_with('.') { "\\&" } else { "" });
    for c in line.chars() {
        match c {
            '\\' => text.push_str("\\e"),
            '-' => text.push_str("\\-"),
            '\'' => text.push_str("\\(aq"),
            c if c.is_ascii() => text.push(c),
            c => text.push_str(&format!("\\[u{:04X}]", u32::from(c))),
        }
    }
    text
}

fn print(page: &[u8]) -> ExitCode {
    match io::stdout().write_all(page) {
        Ok(()) => ExitCode::SUCCESS,
        // `pasteur man | head` is no failure.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("pasteur: cannot write to standard output: {e}");
            ExitCode::from(7)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;

    use super::*;

    /// Commands and their options, hidden ones left out: (the command's words, options with two dashes).
    fn defined() -> Vec<(Vec<String>, Vec<String>)> {
        let mut program = Args::command();
        program.build();
        let long = |arg: &clap::Arg| arg.get_long().filter(|_| !arg.is_hide_set()).map(str::to_owned);
        let mut all = Vec::new();
        let mut open = vec![(&program, Vec::new())];
        while let Some((command, words)) = open.pop() {
            for command in
                command.get_subcommands().filter(|command| command.get_name() != "help" && !command.is_hide_set())
            {
                let words = [&words[..], &[command.get_name().to_owned()]].concat();
                all.push((words.clone(), command.get_arguments().filter_map(long).collect()));
                open.push((command, words));
            }
        }
        for (words, option) in [(&["put"][..], "password-file"), (&["unikernel", "inspect"], "json")] {
            assert!(all.iter().any(|(command, options): &(Vec<String>, Vec<String>)| {
                command == words && options.iter().any(|o| o == option)
            }));
        }
        all
    }

    #[test]
    fn the_manual_tells_of_every_option_and_variable() {
        let mut program = Args::command().disable_help_subcommand(true);
        program.build();
        for (name, options) in defined() {
            let command = name.iter().fold(&program, |command, name| command.find_subcommand(name).unwrap());
            let page = String::from_utf8(page(command).unwrap()).unwrap();
            for option in options {
                let option = escape(&format!("--{option}"));
                assert!(page.contains(&format!("\\fB{option}\\fR")), "{name:?}: {option}\n{page}");
            }
            for variable in command.get_arguments().filter_map(|arg| arg.get_env()?.to_str()) {
                assert!(page.contains(&format!(".TP\n{}\n", escape(variable))), "{name:?}: {variable}");
            }
        }
    }

    #[test]
    fn every_shell_is_told_of_every_option() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "pasteur", &mut script);
            let script = String::from_utf8(script).unwrap();
            for (name, options) in defined() {
                assert!(name.iter().all(|word| script.contains(word)), "{shell}: {name:?}");
                for option in options {
                    let written = if shell == Shell::Fish { format!("-l {option}") } else { format!("--{option}") };
                    assert!(script.contains(&written), "{shell}: {name:?} {option}");
                }
            }
        }
    }

    #[test]
    fn text_is_text() {
        assert_eq!(escape(".SH 'a' -b … \\n"), "\\&.SH \\(aqa\\(aq \\-b \\[u2026] \\en");
    }

    #[test]
    fn notes_have_their_sections() {
        let mut page = Vec::new();
        notes("Examples:\n  a   b\n\nOne\ntwo.\n\nThree: four.", &mut page).unwrap();
        let expected = ".SH EXAMPLES\n.nf\na   b\n.fi\n.SH NOTES\nOne\ntwo.\n.PP\nThree: four.\n";
        assert_eq!(String::from_utf8(page).unwrap(), expected);
    }
}
