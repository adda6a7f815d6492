//! What can be wrong with a plaintext. No error holds a part of it.

use core::fmt;

use super::{MAX_FILES, MAX_META, MAX_NAME, MAX_TYPE};

/// Which limit was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Bytes before the form: 1 KiB.
    Entity,
    /// Bytes of the meta part: [`MAX_META`].
    Meta,
    /// Bytes of a file's name: [`MAX_NAME`].
    Name,
    /// Bytes of a media type: [`MAX_TYPE`].
    Type,
    /// Files: [`MAX_FILES`].
    Files,
    /// Bytes in all: what 64 bits can number.
    Total,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entity => write!(f, "what comes before the form is longer than {} bytes", super::reader::MAX_ENTITY),
            Self::Meta => write!(f, "title, language and formatter together are longer than {MAX_META} bytes"),
            Self::Name => write!(f, "a file's name is longer than {MAX_NAME} bytes"),
            Self::Type => write!(f, "a file's type is longer than {MAX_TYPE} bytes"),
            Self::Files => write!(f, "a paste has at most {MAX_FILES} files"),
            Self::Total => f.write_str("the paste is longer than 64 bits can number"),
        }
    }
}

/// Why a plaintext could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlainError {
    /// A limit was passed.
    Limit(Limit),
    /// It does not begin with `Content-Type: multipart/form-data; boundary=...` and a blank line.
    Entity,
    /// The form is malformed.
    Form(multipart_form::Error),
    /// The meta part is not the JSON it has to be, or its list of files contradicts itself.
    Meta {
        /// The line of the fault, from 1; 0 where it is not in the JSON's grammar.
        line: usize,
        /// The column of the fault.
        column: usize,
    },
    /// Parts come in another order or number: this says what was expected.
    Order(&'static str),
    /// A file's name holds NUL, or its type is not printable ASCII.
    Name,
    /// A body was not as long as it had been declared to be.
    Size {
        /// The file's place, from 0; `None` for the text.
        file: Option<usize>,
        /// The bytes declared.
        declared: u64,
        /// The bytes that came, or the first one too many.
        came: u64,
    },
    /// What the meta part says of this file is not so.
    Hint {
        /// The file's place, from 0.
        file: usize,
    },
    /// The plaintext ends before the form does.
    Cut,
    /// A misuse of the writer: this says which.
    Misuse(&'static str),
}

impl From<multipart_form::Error> for PlainError {
    fn from(error: multipart_form::Error) -> Self {
        match error.kind() {
            multipart_form::ErrorKind::UnexpectedEof => Self::Cut,
            multipart_form::ErrorKind::Limit { which, .. } => match which {
                multipart_form::Limit::Parts => Self::Limit(Limit::Files),
                multipart_form::Limit::FilenameBytes => Self::Limit(Limit::Name),
                multipart_form::Limit::PartBytes => Self::Limit(Limit::Meta),
                _ => Self::Form(error),
            },
            _ => Self::Form(error),
        }
    }
}

impl fmt::Display for PlainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(limit) => limit.fmt(f),
            Self::Entity => f.write_str("the paste's content does not begin as a form does"),
            Self::Form(e) => write!(f, "the paste's form is malformed: {e}"),
            Self::Meta { line: 0, .. } => f.write_str("the paste's list of files contradicts itself"),
            Self::Meta { line, column } => {
                write!(f, "the paste's description is not as it has to be, at line {line}, column {column}")
            }
            Self::Order(expected) => write!(f, "the paste's parts are out of order: {expected}"),
            Self::Name => f.write_str("a file's name holds NUL, or its type is not printable ASCII"),
            Self::Size { file: Some(file), declared, came } => {
                write!(f, "file {} was to have {declared} bytes and has {came}", file + 1)
            }
            Self::Size { file: None, declared, came } => {
                write!(f, "the text was to have {declared} bytes and has {came}")
            }
            Self::Hint { file } => write!(f, "file {} is not what the paste's list of files says", file + 1),
            Self::Cut => f.write_str("the paste's content ends in the middle"),
            Self::Misuse(how) => f.write_str(how),
        }
    }
}

impl core::error::Error for PlainError {}
