//! The program `pasteur`: the server, and the commands that seal, fetch, open and remove pastes.

mod args;
mod pages;
mod serve;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Serve(options) => serve::run(*options),
        Command::Completions(options) => pages::completions(&options),
        Command::Man(options) => pages::man(&options),
    }
}
