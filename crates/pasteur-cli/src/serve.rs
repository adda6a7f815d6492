//! `pasteur serve`: its options, and the world it runs in.

use std::process::ExitCode;

/// What `pasteur serve` takes.
#[derive(clap::Args, Debug)]
pub(crate) struct ServeOptions {}

/// Serves until it is told to stop.
pub(crate) fn run(_options: ServeOptions) -> ExitCode {
    ExitCode::FAILURE
}
