//! Where the secrets that a user gives come from: passwords, links and tokens. None has to stand in the arguments,
//! which every user of a machine can read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::{convert, fmt, str};

use zeroize::Zeroizing;

use crate::failure::Failure;

/// The longest line that a secret may fill, in bytes.
const LONGEST: u64 = 8 * 1024;

/// A secret that stood in the arguments: wiped when dropped, and never shown.
#[derive(Clone)]
pub(crate) struct Argument(Zeroizing<String>);

impl Argument {
    /// The secret.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl str::FromStr for Argument {
    type Err = convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// How a password is given.
#[derive(clap::Args, Debug, Default)]
#[group(multiple = false)]
pub(crate) struct PasswordArgs {
    /// The password itself. Other users of this machine can see it while the command runs: better are --password-file
    /// and --ask-password
    #[arg(long, value_name = "PASSWORD")]
    password: Option<Argument>,
    /// Read the password from the first line of this file; - is standard input
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    password_file: Option<PathBuf>,
    /// Ask for the password on the terminal, without showing it
    #[arg(short = 'P', long)]
    ask_password: bool,
}

impl PasswordArgs {
    /// Whether standard input is where the password comes from.
    pub(crate) fn takes_stdin(&self) -> bool {
        self.password_file.as_deref() == Some(Path::new("-"))
    }

    /// The password for a new paste; one typed in is asked for twice.
    pub(crate) fn new_password(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        if self.ask_password {
            let first = ask("Password: ")?;
            if *ask("The same again: ")? != *first {
                return Err(Failure::Usage("the two passwords differ".into()));
            }
            return Ok(Some(first));
        }
        self.given()
    }

    /// The password as the arguments give it; none is typed in.
    pub(crate) fn given(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let password = match (&self.password, &self.password_file) {
            (Some(password), _) => password.0.clone(),
            (None, Some(path)) => line_of(path)?,
            (None, None) => return Ok(None),
        };
        if password.is_empty() {
            return Err(Failure::Usage("the password is empty".into()));
        }
        Ok(Some(password))
    }
}

/// Whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on the terminal without showing what is typed.
pub(crate) fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let typed = rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|e| Failure::SecretNeeded(format!("a password is needed, and there is no terminal to ask on: {e}")))?;
    if typed.is_empty() {
        return Err(Failure::SecretNeeded("no password was typed".into()));
    }
    Ok(typed)
}

/// The argument itself, or the first line of standard input where it is `-`.
pub(crate) fn argument_or_stdin(argument: &Argument, what: &str) -> Result<Zeroizing<String>, Failure> {
    if argument.reveal() != "-" {
        return Ok(argument.0.clone());
    }
    if can_ask() {
        eprint!("{what}: ");
    }
    let line = first_line(io::stdin().lock()).map_err(|e| Failure::local("cannot read", "standard input", e))?;
    Ok(Zeroizing::new(line.trim().to_owned()))
}

/// The first line of a file, or of standard input where it is `-`.
pub(crate) fn line_of(path: &Path) -> Result<Zeroizing<String>, Failure> {
    if path == Path::new("-") {
        return first_line(io::stdin().lock()).map_err(|e| Failure::local("cannot read", "standard input", e));
    }
    let file = File::open(path).map_err(|e| Failure::local("cannot open", path, e))?;
    first_line(BufReader::new(file)).map_err(|e| Failure::local("cannot read", path, e))
}

/// A line without its end. Spaces belong to a password, so nothing else is cut off.
fn first_line(from: impl BufRead) -> io::Result<Zeroizing<String>> {
    // Reserved at once, so that no shorter copy of it stays behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 1));
    from.take(LONGEST + 1).read_until(b'\n', &mut line)?;
    if line.len() as u64 > LONGEST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("its first line is longer than {LONGEST} bytes"),
        ));
    }
    let text = str::from_utf8(&line).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_never_shown() {
        let argument: Argument = "needle".parse().unwrap();
        assert_eq!((argument.reveal(), format!("{argument:?}").as_str()), ("needle", "(secret)"));
    }

    #[test]
    fn a_secret_is_one_line() {
        for (bytes, line) in [("", ""), ("a", "a"), ("a\n", "a"), ("a b \r\nmore", "a b "), ("pä\n", "pä"), ("\n", "")]
        {
            assert_eq!(*first_line(bytes.as_bytes()).unwrap(), line);
        }
        assert!(first_line(&b"\xff\n"[..]).is_err());
        assert!(first_line(&vec![b'a'; 9000][..]).is_err());
    }
}
