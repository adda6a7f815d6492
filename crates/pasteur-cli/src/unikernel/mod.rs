//! `pasteur unikernel`: what an image needs of a machine, and a machine to run it on (docs/unikernel.md).

mod inspect;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueHint};

use crate::args::Output;

/// The commands about unikernels.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Print what an image needs: memory, disks, network cards
    Inspect(InspectArgs),
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
    let (result, output) = match command {
        Command::Inspect(args) => (inspect::run(args), args.output),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(output.json),
    }
}
