//! What is generated from the arguments' definitions: shell completions and the manual.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::{Args, CompletionsArgs, ManArgs};

/// Prints a shell's completions to standard output.
pub(crate) fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut page = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "pasteur", &mut page);
    print(&page)
}

/// Prints a page of the manual to standard output, or writes them all into a folder.
pub(crate) fn man(args: &ManArgs) -> ExitCode {
    let mut program = Args::command();
    program.build();
    if let Some(folder) = &args.all {
        return match clap_mangen::generate_to(program, folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("pasteur: cannot write the manual into {}: {e}", folder.display());
                ExitCode::from(7)
            }
        };
    }
    let page = match &args.command {
        None => &program,
        Some(name) => match program.find_subcommand(name) {
            Some(command) => command,
            None => {
                eprintln!("pasteur: there is no command {name}");
                return ExitCode::from(2);
            }
        },
    };
    let mut text = Vec::new();
    match clap_mangen::Man::new(page.clone()).render(&mut text) {
        Ok(()) => print(&text),
        Err(_) => ExitCode::FAILURE,
    }
}

fn print(page: &[u8]) -> ExitCode {
    match io::stdout().write_all(page) {
        Ok(()) => ExitCode::SUCCESS,
        // `pasteur man | head` is no failure.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
