//! The server as a machine of its own: the application on the library operating system, without any other (docs/unikernel.md).
//! Built for a host it only says so; what knows no machine is tested there.

#[cfg(target_os = "hermit")]
mod failure;
#[cfg_attr(not(target_os = "hermit"), allow(dead_code, reason = "only the machine has a network"))]
mod options;
#[cfg_attr(not(target_os = "hermit"), allow(dead_code, reason = "only the machine has a disk of them"))]
mod secrets;
#[cfg(target_os = "hermit")]
mod server;
#[cfg_attr(not(target_os = "hermit"), allow(dead_code, reason = "only the machine has memory to share"))]
mod shares;
#[cfg(target_os = "hermit")]
mod tls;

use std::process::ExitCode;

libos::manifest![
    memory 24;
    disk("store"),
    disk("site").read_only().optional(),
    disk("journal").read_only().optional(),
    disk("config").read_only().optional(),
    card("net"),
];

fn main() -> ExitCode {
    let options = match options::of(std::env::args_os()) {
        Ok(options) => options,
        Err(error) => {
            // Help is an error to clap, of another kind.
            print!("{error}");
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    run(options)
}

#[cfg(target_os = "hermit")]
fn run(options: options::Arguments) -> ExitCode {
    match server::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("pasteur: {failure}");
            failure.exit_code()
        }
    }
}

#[cfg(not(target_os = "hermit"))]
fn run(_: options::Arguments) -> ExitCode {
    println!("this program is a kernel: build it with `cargo xtask unikernel`");
    ExitCode::from(2)
}
