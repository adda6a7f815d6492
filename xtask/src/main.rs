//! The project's own build tool. `cargo xtask` lists what it does; each command installs what it needs and is missing.

mod bench;
mod deny;
mod fuzz;
mod paths;
mod serve;
mod setup;
mod shell;
mod test;
mod tidy;
mod unikernel;
mod web;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask COMMAND

  serve [ARGS]           build all of it and serve http://127.0.0.1:8080; ARGS go to `pasteur serve`
  unikernel              build the server as a machine of its own, and print where its image is
  test [--without NAME]  run every check and test there is; NAME (chromium, tink) leaves out what needs it
  fuzz [TARGET..]        run the fuzz targets, or those named, --seconds N each
  ci                     do what .ci/run does
  web                    build the browser client and pack the site into target/site.img
  bench [NAME..]         measure the figures, as ratios to a peer or a limit; --quick does it in small, --parts in parts
  tidy                   check the habits that no compiler checks
  deny                   check licences, names and sources of dependencies
  readme                 write the program's options into README.md
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
        ("unikernel", []) => unikernel::run(),
        ("test", rest) => test::run(rest),
        ("ci", []) => ci(),
        ("readme", []) => {
            let site = web::build(&paths::target())?;
            tidy::write_options(&serve::program(&site)?)
        }
        ("fuzz", rest) => fuzz::run(rest),
        ("bench", rest) => bench::run(rest),
        ("deny", []) => deny::run(),
        ("tidy", []) => tidy::run(),
        ("help" | "--help" | "-h", _) => {
            print!("{USAGE}");
            Ok(())
        }
        (other, rest) => bail!("{other} {} is no command of mine\n\n{USAGE}", rest.join(" ")),
    }
}

/// What CI runs, as CI runs it.
fn ci() -> Result<()> {
    shell::run(std::process::Command::new(paths::root().join(".ci/run")).env("CI", "true"))
}
