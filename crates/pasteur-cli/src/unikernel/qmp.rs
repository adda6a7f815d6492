//! QEMU's machine protocol (docs/interop/qmp-spec): one JSON document a line, in both directions.

use std::io::{self, BufRead, BufReader, Read, Write};

use serde::Deserialize;

/// The longest line that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// What QEMU says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is ready for commands: its greeting.
    Greeting,
    /// A command was done.
    Done,
    /// A command failed; why.
    Failed(String),
    /// The machine stopped, and nobody asked for it.
    Stopped,
    /// Something that is of no interest here.
    Other,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "QMP")]
    greeting: Option<serde::de::IgnoredAny>,
    #[serde(rename = "return")]
    done: Option<serde::de::IgnoredAny>,
    error: Option<Error>,
    event: Option<String>,
}

#[derive(Deserialize)]
struct Error {
    desc: String,
}

/// Gives what QEMU says, one after the other, until it ends.
pub(super) fn read(output: impl Read, mut each: impl FnMut(Said)) {
    let mut reader = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(size) if size > 0 => each(parse(&line)),
            _ => return,
        }
    }
}

fn parse(line: &[u8]) -> Said {
    match serde_json::from_slice(line) {
        Ok(Line { greeting: Some(_), .. }) => Said::Greeting,
        Ok(Line { done: Some(_), .. }) => Said::Done,
        Ok(Line { error: Some(error), .. }) => Said::Failed(error.desc),
        Ok(Line { event: Some(event), .. }) if event == "STOP" => Said::Stopped,
        _ => Said::Other,
    }
}

/// Gives QEMU a command without arguments.
pub(super) fn tell(input: &mut impl Write, command: &str) -> io::Result<()> {
    input.write_all(format!("{{\"execute\":\"{command}\"}}\n").as_bytes())?;
    input.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_qemu_says_is_understood() {
        let said = concat!(
            r#"{"QMP": {"version": {"qemu": {"micro": 22}}, "capabilities": ["oob"]}}"#,
            "\r\n{\"return\": {}}\r\n",
            r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RESUME"}"#,
            "\r\n{\"event\": \"STOP\"}\r\n",
            r#"{"error": {"class": "GenericError", "desc": "no"}}"#,
            "\nnonsense\n{\"event\""
        );
        let mut all = Vec::new();
        read(said.as_bytes(), |said| all.push(said));
        let expected = [Said::Greeting, Said::Done, Said::Other, Said::Stopped, Said::Failed("no".into())];
        assert_eq!((&all[..5], &all[5..]), (&expected[..], &[Said::Other, Said::Other][..]));
    }

    #[test]
    fn a_line_without_an_end_takes_bounded_memory() {
        let mut count = 0;
        read(io::repeat(b'x').take(3 * LONGEST), |said| {
            assert_eq!(said, Said::Other);
            count += 1;
        });
        assert_eq!(count, 3);
    }
}
