//! What can go wrong in a client's command, and the exit code that says so. docs/cli.md lists the codes.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use api::{Kind, Problem};
use device::manifest::image::ImageError;
use serde::Serialize;

use crate::human;

/// Why a command failed. No text holds a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments do not go together.
    #[error("{0}")]
    Usage(String),
    /// The link is cut, mistyped or of another version.
    #[error("{0}")]
    Link(String),
    /// The server says that the token is not this paste's.
    #[error("{}", if *.password { "the password is wrong" } else { "the link's secret is not this paste's" })]
    Wrong { password: bool },
    /// A secret is needed that was not given.
    #[error("{0}")]
    SecretNeeded(String),
    /// The server answered with a problem document.
    #[error("{}", human::printable(&.0.to_string(), false))]
    Problem(Box<Problem>),
    /// No connection, or one that broke off for good.
    #[error("{server}: {why}")]
    Network { server: String, why: String },
    /// Something answered that is no Pasteur server, or one that breaks its promises.
    #[error("{server} does not answer as a Pasteur server does: {why}")]
    NotPasteur { server: String, why: String },
    /// A file, folder, or standard stream of this machine.
    #[error("{doing} {path}: {source}", path = .path.display())]
    Local { doing: &'static str, path: PathBuf, source: io::Error },
    /// Whoever read standard output reads no more, as `head` does when it has enough. Nobody is told of it.
    #[error("nobody reads standard output any more")]
    HungUp,
    /// What is to be sent is not as it was announced.
    #[error("{0}")]
    Input(String),
    /// The content was altered, cut, or is not as the format has it.
    #[error("the content is damaged: {0}")]
    Damaged(String),
    /// A file that is no unikernel's image.
    #[error("{}: {error}", path.display())]
    Image { path: PathBuf, error: ImageError },
    /// QEMU does not run the machine, or not to its end.
    #[error("QEMU: {0}")]
    Qemu(String),
    /// A unikernel that ended by itself, and not well: its status, which is the exit code.
    #[error("{words}")]
    Machine { status: u8, words: String },
    /// A form that cannot be written.
    #[error("the paste's form cannot be written: {0}")]
    Form(#[from] multipart_form::Error),
    /// The platform gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// The exit codes.
pub(crate) mod code {
    pub(crate) const OTHER: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const GONE: u8 = 3;
    pub(crate) const SECRET: u8 = 4;
    pub(crate) const NETWORK: u8 = 5;
    pub(crate) const REFUSED: u8 = 6;
    pub(crate) const LOCAL: u8 = 7;
    pub(crate) const DAMAGED: u8 = 8;
    /// As shells have it for a program that SIGPIPE ended.
    pub(crate) const HUNG_UP: u8 = 128 + 13;
}

/// A failure, as `--json` prints it on standard error.
#[derive(Serialize)]
struct Report<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    exit_code: u8,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a Problem>,
}

impl Failure {
    /// A failure with a local file.
    pub(crate) fn local(doing: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::Local { doing, path: path.as_ref().to_owned(), source }
    }

    /// A failure to write to standard output.
    pub(crate) fn stdout(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::BrokenPipe => Self::HungUp,
            _ => Self::local("cannot write to", "standard output", source),
        }
    }

    /// The exit code that tells scripts of it.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => code::USAGE,
            Self::Link(_) | Self::Wrong { .. } | Self::SecretNeeded(_) => code::SECRET,
            Self::Problem(problem) => match Kind::from_uri(&problem.kind) {
                Some(Kind::NotFound | Kind::Burnt) => code::GONE,
                Some(Kind::TokenWrong | Kind::TokenMissing) => code::SECRET,
                _ => code::REFUSED,
            },
            Self::Network { .. } | Self::NotPasteur { .. } => code::NETWORK,
            Self::Local { .. } | Self::Input(_) => code::LOCAL,
            Self::Image { error: ImageError::Io(_), .. } => code::LOCAL,
            Self::Damaged(_) | Self::Image { .. } => code::DAMAGED,
            Self::HungUp => code::HUNG_UP,
            Self::Form(_) | Self::Random(_) | Self::Qemu(_) => code::OTHER,
            Self::Machine { status, .. } => *status,
        }
    }

    /// The kind of the server's problem, where it is one.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Problem(problem) => Kind::from_uri(&problem.kind),
            _ => None,
        }
    }

    /// Tells of the failure on standard error, and gives the program's end.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        if matches!(self, Self::HungUp) {
            return ExitCode::from(self.code());
        }
        if json {
            let problem = if let Self::Problem(problem) = self { Some(&**problem) } else { None };
            let body = Body { exit_code: self.code(), message: self.to_string(), problem };
            // Strings and numbers alone: serialising them cannot fail.
            eprintln!("{}", serde_json::to_string(&Report { error: body }).unwrap_or_default());
        } else {
            eprintln!("pasteur: {self}");
        }
        ExitCode::from(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_a_code() {
        for kind in Kind::ALL {
            let code = Failure::Problem(Box::new(Problem::new(kind))).code();
            let expected = match kind {
                Kind::NotFound | Kind::Burnt => code::GONE,
                Kind::TokenWrong | Kind::TokenMissing => code::SECRET,
                _ => code::REFUSED,
            };
            assert_eq!(code, expected, "{kind:?}");
        }
    }

    #[test]
    fn a_servers_words_cannot_steer_the_terminal() {
        let problem = Problem::new(Kind::TooLarge).detail("\x1b]0;owned\x07").limit("max_paste", 5);
        let text = Failure::Problem(Box::new(problem)).to_string();
        assert!(!text.contains('\x1b') && text.contains("max_paste is 5"), "{text}");
    }
}
