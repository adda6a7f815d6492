//! The program `pasteur`: the server, and the commands that seal, fetch, open and remove pastes (docs/cli.md),
//! and those that look at unikernels and run them (docs/unikernel.md).

mod args;
mod client;
mod duration;
mod environment;
mod failure;
mod get;
mod history;
mod human;
mod info;
mod names;
mod pages;
mod pipe;
mod progress;
mod put;
mod rm;
mod secret;
mod serve;
mod unikernel;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use failure::Failure;

fn main() -> ExitCode {
    let args = Args::try_parse().unwrap_or_else(|error| environment::told(error).exit());
    let (result, output) = match args.command {
        Command::Serve(options) => return serve::run(*options),
        Command::Unikernel { command } => return unikernel::run(&command),
        Command::Completions(options) => return pages::completions(&options),
        Command::Man(options) => return pages::man(&options),
        Command::Put(args) => (put::run(&args), args.output),
        Command::Get(args) => (get::run(&args), args.output),
        Command::Rm(args) => (rm::run(&args), args.output),
        Command::Info(args) => (info::run(&args), args.output),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(output.json),
    }
}

/// Prints to standard output.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let result = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    result.map_err(Failure::stdout)
}

/// Prints a document to standard output, on one line.
fn print_json(document: &impl serde::Serialize) -> Result<(), Failure> {
    // Strings, numbers and booleans alone: serialising them cannot fail.
    print(&(serde_json::to_string(document).unwrap_or_default() + "\n"))
}
