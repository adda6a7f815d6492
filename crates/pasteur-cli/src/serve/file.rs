//! The configuration file. It knows no option itself: its keys are the options' names, and its values go through the
//! same parsers as the command line's, behind those of the command line and the environment. What excludes a key there goes before
//! it, too.

use std::ffi::OsString;
use std::path::Path;

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches, Id};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::failure::Failure;
use super::options::ServeOptions;

/// What is wrong with a configuration file. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(std::io::Error),
    /// It is not TOML.
    #[error("line {line}: not TOML: {why}")]
    Toml { line: usize, why: String },
    /// No option has that name.
    #[error("line {line}: there is no option \"{key}\"{}", near.as_ref().map(|n| format!("; did you mean \"{n}\"?")).unwrap_or_default())]
    Unknown { line: usize, key: String, near: Option<String> },
    /// An option's value is of a kind that no option has.
    #[error("line {line}: {key}: {why}")]
    Value { line: usize, key: String, why: String },
}

/// Options as `arguments` and the environment give them, and for the rest as the file at `path` does.
pub(super) fn merge(program: &Command, arguments: Vec<OsString>, path: &Path) -> Result<ServeOptions, Failure> {
    let failure = |error| Failure::Config { path: path.to_owned(), error };
    let text = std::fs::read_to_string(path).map_err(|error| failure(FileError::Read(error)))?;
    merge_text(program, arguments, &text).map_err(failure)
}

fn merge_text(program: &Command, mut arguments: Vec<OsString>, text: &str) -> Result<ServeOptions, FileError> {
    let line_of = |at: usize| text.as_bytes()[..at.min(text.len())].iter().filter(|&&b| b == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| FileError::Toml {
        line: line_of(error.span().map_or(0, |span| span.start)),
        why: error.message().lines().next().unwrap_or_default().to_owned(),
    })?;
    let given = program.clone().get_matches_from(&arguments);
    let Some((name, given)) = given.subcommand() else { return Err(no_subcommand()) };
    let serve = program.find_subcommand(name).ok_or_else(no_subcommand)?;
    let reset = |option: Arg| option.requires(Resettable::<Id>::Reset).conflicts_with(Resettable::<Id>::Reset);
    let unrelated = program.clone().mut_subcommand(name, |serve| serve.mut_args(reset));
    let has_another_certificate = option(serve, ACME).is_some_and(|acme| is_excluded(serve, acme, given));
    for (key, value) in table.get_ref() {
        let line = line_of(key.span().start);
        let key = key.get_ref().as_ref();
        let Some(option) = option(serve, key) else {
            return Err(FileError::Unknown { line, key: key.to_owned(), near: nearest(serve, key) });
        };
        let wrong = |why: String| FileError::Value { line, key: key.to_owned(), why };
        let words = words(option, value).map_err(|why| wrong(why.to_owned()))?;
        // Each key is tried by itself, so that an error has its line. What goes with it is looked at once all is together.
        let mut alone = vec![OsString::from("pasteur"), OsString::from(name)];
        alone.extend(words.iter().map(OsString::from));
        if let Err(error) = unrelated.clone().try_get_matches_from(alone) {
            return Err(wrong(reason(&error)));
        }
        let goes_with_acme = option.get_long().is_some_and(|long| long.starts_with(ACME));
        let is_out = is_excluded(serve, option, given) || (goes_with_acme && has_another_certificate);
        if !is_given(option, given) && !is_out {
            arguments.extend(words.iter().map(OsString::from));
        }
    }
    let all = program.clone().get_matches_from(&arguments);
    let options = all.subcommand().and_then(|(_, serve)| ServeOptions::from_arg_matches(serve).ok());
    options.ok_or_else(no_subcommand)
}

/// The option that asks an authority for certificates, and what the names of those that say how begin with.
const ACME: &str = "acme";

/// Whether the command line or the environment has this option; a switch that the environment turns off is not.
fn is_given(option: &Arg, given: &ArgMatches) -> bool {
    let id = option.get_id().as_str();
    let is_off = matches!(option.get_action(), ArgAction::SetTrue) && !given.get_flag(id);
    !is_off && !matches!(given.value_source(id), None | Some(ValueSource::DefaultValue))
}

/// Whether they have one that this option cannot be together with.
fn is_excluded(serve: &Command, option: &Arg, given: &ArgMatches) -> bool {
    let excludes =
        |one: &Arg, other: &Arg| serve.get_arg_conflicts_with(one).iter().any(|arg| arg.get_id() == other.get_id());
    let others = serve.get_arguments().filter(|other| is_given(other, given));
    others
        .filter(|other| other.get_id() != option.get_id())
        .any(|other| excludes(other, option) || excludes(option, other))
}

/// Only `serve` reads a configuration file, so its subcommand is always there.
fn no_subcommand() -> FileError {
    FileError::Toml { line: 1, why: String::from("only `pasteur serve` reads this file") }
}

/// The options a file may hold: all but the file itself and those for tests.
fn options(serve: &Command) -> impl Iterator<Item = &Arg> {
    serve.get_arguments().filter(|arg| !arg.is_hide_set() && arg.get_id() != "config" && arg.get_long() != Some("help"))
}

fn option<'c>(serve: &'c Command, key: &str) -> Option<&'c Arg> {
    options(serve).find(|arg| arg.get_long().is_some_and(|long| long == key || long.replace('-', "_") == key))
}

/// A value as words of a command line.
fn words(option: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, &'static str> {
    let flag = format!("--{}", option.get_long().unwrap_or_default());
    let is_switch = matches!(option.get_action(), ArgAction::SetTrue);
    match value.get_ref() {
        DeValue::Boolean(on) if is_switch => Ok(if *on { vec![flag] } else { Vec::new() }),
        _ if is_switch => Err("true or false is needed"),
        DeValue::Array(values) if values.is_empty() && !option.get_default_values().is_empty() => {
            Err("an empty list; leave the line out for the default")
        }
        DeValue::Array(values) if matches!(option.get_action(), ArgAction::Append) => {
            values.iter().map(|value| Ok(format!("{flag}={}", word(value.get_ref())?))).collect()
        }
        DeValue::Integer(_) if !counts(option) => Err("a text is needed"),
        value => Ok(vec![format!("{flag}={}", word(value)?)]),
    }
}

/// Whether an option's value is a number, or may be.
fn counts(option: &Arg) -> bool {
    let names = option.get_value_names().unwrap_or_default();
    names.iter().any(|name| matches!(name.as_str(), "SIZE" | "NUMBER"))
}

fn word(value: &DeValue<'_>) -> Result<String, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        _ => Err("a text or a whole number is needed"),
    }
}

/// Clap's reason, without its own words around it.
fn reason(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

/// The option whose name is the fewest edits away, if they are few.
fn nearest(serve: &Command, key: &str) -> Option<String> {
    let names = options(serve).filter_map(Arg::get_long);
    let (edits, name) = names.map(|name| (distance(name, &key.replace('_', "-")), name)).min()?;
    (edits <= 3 && edits < name.len()).then(|| name.to_owned())
}

/// Levenshtein's distance in characters, of at most the first 64.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Args;

    fn merged(arguments: &[&str], text: &str) -> Result<ServeOptions, String> {
        let arguments = ["pasteur", "serve"].iter().chain(arguments).map(OsString::from).collect();
        merge_text(&Args::command(), arguments, text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_gives_what_the_command_line_does_not() {
        let text = "listen = [\"127.0.0.1:1\", \"[::1]:2\"]\nmax-paste = \"1MiB\"\nquota = 5000\nlog_clients = true\n\
                    trusted-proxies = \"10.0.0.0/8\"\n";
        let options = merged(&["--max-paste", "2MiB"], text).unwrap();
        assert_eq!(options.shared.max_paste, 2 << 20);
        assert_eq!(options.shared.quota, Some(5000));
        assert_eq!(options.shared.listen.len(), 2);
        assert!(options.shared.log_clients);
        assert_eq!(options.shared.trusted_proxies.len(), 1);
        assert_eq!(merged(&["--listen", "127.0.0.1:9"], text).unwrap().shared.listen.len(), 1);
    }

    #[test]
    fn keys_that_go_with_others_are_taken() {
        let text = "acme-contact = \"a@paste.example\"\nacme-dir = \"kept\"\nacme-root = \"root.pem\"\nacme = [\"paste.example\"]\n";
        let options = merged(&[], text).unwrap();
        assert_eq!(
            (options.acme, options.acme_contact.as_deref()),
            (vec!["paste.example".into()], Some("a@paste.example"))
        );
        assert!(options.acme_dir.is_some() && options.acme_root.is_some());
        let options = merged(&["--acme-dir", "x"], "acme = \"paste.example\"").unwrap();
        assert!(options.acme.len() == 1 && options.acme_dir.is_some() && options.lacks_acme().is_none());
        assert_eq!(merged(&[], "acme-contact = \"a@paste.example\"").unwrap().lacks_acme(), Some("--acme-contact"));
    }

    #[test]
    fn what_excludes_a_key_goes_before_it() {
        let files = ["--tls-cert", "x", "--tls-key", "y"];
        let acme =
            "acme = \"paste.example\"\nacme-contact = \"a@paste.example\"\nacme-directory = \"https://ca.example\"";
        for text in ["tls-self-signed = true", acme] {
            let options = merged(&files, text).unwrap();
            assert!(options.tls_cert.len() == 1 && !options.tls_self_signed && options.acme.is_empty(), "{text}");
            assert_eq!(options.lacks_acme(), None, "{text}");
        }
        for text in ["tls-cert = \"x\"\ntls-key = \"y\"", acme] {
            let options = merged(&["--tls-self-signed"], text).unwrap();
            assert!(options.tls_self_signed && options.tls_cert.is_empty() && options.tls_key.is_empty());
            assert!(options.acme.is_empty() && options.lacks_acme().is_none());
        }
        assert!(merged(&["--no-h3"], "h3-port = 444").unwrap().h3_port.is_none());
        assert!(!merged(&["--h3-port", "444"], "no-h3 = true").unwrap().no_h3);
    }

    #[test]
    fn a_typo_is_named_with_its_line_and_its_neighbour() {
        assert_eq!(
            merged(&[], "# sizes\nmax_pastes = 5\n").unwrap_err(),
            "line 2: there is no option \"max_pastes\"; did you mean \"max-paste\"?"
        );
        assert_eq!(merged(&[], "zzzzzzzzzzzz = 5").unwrap_err(), "line 1: there is no option \"zzzzzzzzzzzz\"");
        assert_eq!(merged(&[], "config = \"x\"").unwrap_err(), "line 1: there is no option \"config\"");
    }

    #[test]
    fn a_bad_value_is_named_with_its_line() {
        let cases = [
            (
                "\nmax-paste = \"much\"",
                "line 2: max-paste: invalid value 'much' for '--max-paste <SIZE>': a size is a whole number",
            ),
            ("listen = \"nowhere\"", "line 1: listen: invalid value 'nowhere' for '--listen <PLACE>'"),
            ("log-clients = 3", "line 1: log-clients: true or false is needed"),
            ("quota = 1.5", "line 1: quota: a text or a whole number is needed"),
            ("quota = [1]", "line 1: quota: a text or a whole number is needed"),
            ("store = 5", "line 1: store: a text is needed"),
            ("listen = []", "line 1: listen: an empty list; leave the line out for the default"),
            ("max-paste = 0", "line 1: max-paste: invalid value '0' for '--max-paste <SIZE>': nothing could be stored"),
            (
                "connections = 0",
                "line 1: connections: invalid value '0' for '--connections <NUMBER>': at least 1 is needed",
            ),
            ("a = = 2", "line 1: not TOML: "),
            ("[server]\nlisten = 1", "line 1: there is no option \"server\""),
        ];
        for (text, start) in cases {
            let error = merged(&[], text).unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
    }
}
