//! `pasteur unikernel`: what an image needs of a machine, and a machine to run it on (docs/unikernel.md).

mod calls;
mod config;
mod ends;
mod guard;
mod inspect;
mod options;
mod out;
mod plan;
mod probe;
mod qemu;
mod qmp;
mod run;
#[cfg(test)]
mod testing;
mod trial;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueHint};

use crate::args::Output;
use guard::GuardArgs;
use options::RunArgs;

/// The commands about unikernels.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Print what an image needs: memory, disks, network cards
    Inspect(InspectArgs),
    /// Run an image on a machine of QEMU's
    Run(Box<RunArgs>),
    /// Start what must not outlive this program
    #[command(hide = true)]
    Guard(GuardArgs),
}

#[derive(clap::Args, Debug)]
pub(crate) struct InspectArgs {
    /// The unikernel's image
    #[arg(value_hint = ValueHint::FilePath)]
    image: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// Runs one of the commands.
pub(crate) fn run(command: &Command) -> ExitCode {
    let (result, json) = match command {
        Command::Inspect(args) => (inspect::run(args), args.output.json),
        Command::Run(args) => (run::run(args), false),
        Command::Guard(args) => return guard::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}
