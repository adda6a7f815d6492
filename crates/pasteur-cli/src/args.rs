//! Every argument of the client's commands, defined once: parsing, `--help`, the completions and the manual follow
//! from these.

use std::path::PathBuf;

use api::Expiry;
use clap::{Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::secret::{Argument, PasswordArgs};
use crate::serve::ServeOptions;
use crate::{client, duration, unikernel};

const EXAMPLES: &str = "\
Examples:
  dmesg | pasteur put                        share a text; the link is the last line printed
  pasteur put -e 1h --burn report.pdf        a file that can be read once, within the hour
  pasteur put -P photos/*.jpg                many files, under a password that is asked for
  pasteur get 'https://paste.example/…#…'    print the text, save the files here
  pasteur get - -o inbox < link              the link from a file: it shows in no process list
  pasteur serve --store pastes.redb          run a server

The server sees neither text, files, names nor keys: all is sealed here, and the key is the part of the link
after #, which is never sent. `pasteur COMMAND --help` tells more.";

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  any other failure
  2  the arguments are wrong
  3  there is no such paste: unknown, expired, deleted, or read and destroyed
  4  a link, password or token is missing, damaged or wrong
  5  the server cannot be reached, or the connection broke off for good
  6  the server refused: a limit, too many requests, or full
  7  a file or folder of this machine
  8  the content was altered or is damaged; a file is no unikernel's image
  141  standard output was closed, as by head: no error is told";

const PUT_EXAMPLES: &str = "\
Examples:
  pasteur put notes.txt                      a file; its name and type are sealed with it
  git diff | pasteur put -t 'my patch' -l diff
  pasteur put --text hello                   a text from the command line
  tar c src | pasteur put -n src.tar -       standard input as a file, of any length
  git log -3 | pasteur put - screenshot.png  a text and a file together
  pasteur put -e 2h30m -b --password-file pw secret.pem
  link=$(pasteur put -q notes.txt)           for scripts; --json tells everything

Nothing is stored anywhere but on the server, except what `pasteur rm LINK` needs: the id and the delete token,
in $XDG_STATE_HOME/pasteur/history.jsonl (~/.local/state), for you alone to read. It opens no paste. --no-history
prints the delete token instead.";

const GET_EXAMPLES: &str = "\
Examples:
  pasteur get 'https://paste.example/…#…'                text to standard output, files into this folder
  pasteur get 'https://paste.example/…#…' -o inbox       files into inbox, which is made if missing
  wl-paste | pasteur get -                               the link from standard input
  pasteur get LINK --json | jq -r '.files[].path'

Put the link in quotes. A file appears under its name only once the whole paste was verified. Names from a paste
are made safe; one that exists already gets a number, as in 'report (1).pdf', unless --force replaces it.";

/// A place to paste text and drop files that the server cannot read
#[derive(Parser, Debug)]
#[command(name = "pasteur", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run the server
    Serve(Box<ServeOptions>),
    /// Seal text or files, send them, and print the link
    Put(PutArgs),
    /// Fetch and open a paste: text to standard output, files into a folder
    Get(GetArgs),
    /// Delete a paste
    Rm(RmArgs),
    /// Tell what anybody may know of a paste: size, expiry, burning, password
    Info(InfoArgs),
    /// Look at unikernels, and run them
    Unikernel {
        #[command(subcommand)]
        command: unikernel::Command,
    },
    /// Print a shell's completions
    Completions(CompletionsArgs),
    /// Print the manual
    Man(ManArgs),
}

#[derive(clap::Args, Debug)]
#[command(after_help = PUT_EXAMPLES)]
pub(crate) struct PutArgs {
    /// Files to send; - is text from standard input, as is no FILE at all
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Send this text (other users of this machine can see it while the command runs); - is standard input
    #[arg(short = 'T', long, value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// Send standard input as a file of this name, not as text
    #[arg(short, long, value_name = "NAME", conflicts_with = "text")]
    pub(crate) name: Option<String>,
    /// The paste's title
    #[arg(short, long)]
    pub(crate) title: Option<String>,
    /// The text's language, for highlighting
    #[arg(short, long)]
    pub(crate) language: Option<String>,
    /// How the text is shown
    #[arg(long, value_enum)]
    pub(crate) formatter: Option<Formatter>,
    /// How long it lives: 30m, 1d, 2h30m, never [default: 1w, or as long as the server allows]
    #[arg(short, long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) expires: Option<Expiry>,
    /// Burn after reading: it can be read once, by one reader
    #[arg(short, long)]
    pub(crate) burn: bool,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// The server
    #[arg(short, long, value_name = "URL", env = "PASTEUR_SERVER", default_value = "http://127.0.0.1:8080")]
    #[arg(value_parser = client::server_address, value_hint = ValueHint::Url)]
    pub(crate) server: String,
    /// Do not remember the delete token: print it
    #[arg(long)]
    pub(crate) no_history: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(clap::Args, Debug)]
#[command(after_help = GET_EXAMPLES)]
pub(crate) struct GetArgs {
    /// The link; - reads it from standard input, so that it shows in no process list
    pub(crate) link: Argument,
    /// Where files go
    #[arg(short, long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) output_dir: PathBuf,
    /// Replace files that exist
    #[arg(short, long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// How often in a row a dropped connection is taken up again in vain
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) retries: u32,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(clap::Args, Debug)]
pub(crate) struct RmArgs {
    /// The link, or its part before #; - reads it from standard input
    pub(crate) link: Argument,
    /// The delete token, for a paste that was not made here (other users of this machine can see it: better is
    /// --token-file)
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file", allow_hyphen_values = true)]
    pub(crate) token: Option<Argument>,
    /// Read the delete token from the first line of this file; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(clap::Args, Debug)]
pub(crate) struct InfoArgs {
    /// The link, or its part before #; - reads it from standard input
    pub(crate) link: Argument,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// How a command tells of what it did.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Print one JSON document on standard output (docs/cli.md has the fields), and errors as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print neither progress nor remarks
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// How a text is shown.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Formatter {
    /// As it is
    Plain,
    /// Highlighted, with line numbers
    Code,
    /// As Markdown
    Markdown,
}

impl Formatter {
    /// The name that the paste's `meta` part carries.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Code => "code",
            Self::Markdown => "markdown",
        }
    }
}

#[derive(clap::Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

#[derive(clap::Args, Debug)]
pub(crate) struct ManArgs {
    /// The command whose page to print, as put, or unikernel inspect [default: pasteur's own]
    pub(crate) command: Vec<String>,
    /// Write every page into this folder instead
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "command")]
    pub(crate) all: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn no_help_is_missing() {
        let program = Args::command();
        let mut commands: Vec<_> = program.get_subcommands().collect();
        while let Some(command) = commands.pop() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{} {}", command.get_name(), arg.get_id());
            }
            commands.extend(command.get_subcommands());
        }
    }
}
