//! The project's own build tool. `cargo xtask` lists what it does; each command installs what it needs and is missing.

mod paths;
mod serve;
mod setup;
mod shell;
mod web;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask COMMAND

  serve [ARGS]    build all of it and serve http://127.0.0.1:8080; ARGS go to `pasteur serve`
  web             build the browser client and pack the site into target/site.img
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let Some((command, rest)) = args.split_first() else {
        print!("{USAGE}");
        return Ok(());
    };
    match (command.as_str(), rest) {
        ("serve", rest) => serve::run(rest),
        ("web", []) => web::build(&paths::target()).map(drop),
        ("help" | "--help" | "-h", _) => {
            print!("{USAGE}");
            Ok(())
        }
        (other, rest) => bail!("{other} {} is no command of mine\n\n{USAGE}", rest.join(" ")),
    }
}
