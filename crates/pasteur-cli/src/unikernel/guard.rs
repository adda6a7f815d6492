//! How QEMU is started so that it never outlives the command. This program starts itself between the two: it asks the kernel
//! for its own end at the end of who started it, and becomes QEMU, of which that stays true. (The request is the thread's that
//! starts it: that has to be one which lives as long as the command.)

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

/// What the command between is told.
#[derive(clap::Args, Debug)]
pub(crate) struct GuardArgs {
    /// The process whose end is this one's
    parent: u32,
    /// What it becomes, and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<OsString>,
}

/// A command that runs `program` under guard, in a process group of its own: Ctrl-C is told to this program alone.
pub(super) fn command(program: &Path) -> Command {
    let mut command = if cfg!(target_os = "linux") {
        // The program that runs, though its file may have been replaced.
        let mut command = Command::new("/proc/self/exe");
        command.args(["unikernel", "guard", &std::process::id().to_string()]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.process_group(0);
    command
}

/// Becomes the program.
pub(super) fn run(args: &GuardArgs) -> ExitCode {
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).map_err(Into::into)
    {
        return failed(&args.program, error);
    }
    // It may have ended before the request.
    if std::os::unix::process::parent_id() != args.parent {
        return ExitCode::FAILURE;
    }
    let mut words = args.program.iter();
    let error = Command::new(words.next().map_or_else(Default::default, Clone::clone)).args(words).exec();
    failed(&args.program, error)
}

fn failed(program: &[OsString], error: std::io::Error) -> ExitCode {
    let name = program.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    eprintln!("{name}: {error}");
    ExitCode::FAILURE
}
