//! Options that come from the environment: where one is wrong, the error names its variable, and not the flag alone.

use std::ffi::OsStr;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, CommandFactory};

use crate::args::Args;

/// `error`, told of the variable that it is about, if it is about one.
pub(crate) fn told(error: clap::Error) -> clap::Error {
    let arguments: Vec<_> = std::env::args_os().collect();
    match variable(&Args::command(), &error, &arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>()) {
        Some(name) => {
            let text = error.to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            clap::Error::raw(error.kind(), format!("{name} in the environment: {text}"))
        }
        None => error,
    }
}

/// The variable whose value is the one that `error` tells of, where no argument gave it.
fn variable(program: &Command, error: &clap::Error, arguments: &[&OsStr]) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (option, value) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    let long = option.strip_prefix("--")?.split([' ', '=']).next()?;
    let flag = format!("--{long}");
    if arguments.iter().filter_map(|a| a.to_str()).any(|a| a == flag || a.starts_with(&format!("{flag}="))) {
        return None;
    }
    let of = |arg: &&Arg| arg.get_long() == Some(long);
    let mut commands = program.get_subcommands().filter(|c| arguments.iter().any(|a| *a == c.get_name()));
    let name = commands.find_map(|c| c.get_arguments().find(of)?.get_env())?;
    let found = std::env::var(name).ok()?;
    (found == value || found.split(',').any(|one| one == value)).then(|| name.to_string_lossy().into_owned())
}
