//! Every argument of the client's commands, defined once: parsing, `--help`, the completions and the manual follow
//! from these.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::serve::ServeOptions;

/// A place to paste text and drop files that the server cannot read.
#[derive(Parser, Debug)]
#[command(name = "pasteur", version, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run the server
    Serve(Box<ServeOptions>),
    /// Print a shell's completions
    Completions(CompletionsArgs),
    /// Print the manual
    Man(ManArgs),
}

#[derive(clap::Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

#[derive(clap::Args, Debug)]
pub(crate) struct ManArgs {
    /// The command whose page to print [default: pasteur's own]
    pub(crate) command: Option<String>,
    /// Write every page into this folder instead
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "command")]
    pub(crate) all: Option<PathBuf>,
}
