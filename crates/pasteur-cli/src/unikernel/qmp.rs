//! QEMU's machine protocol (docs/interop/qmp-spec): one JSON document a line, in both directions.

use std::io::{self, BufRead, BufReader, Read, Write};

use serde::Deserialize;
use serde_json::json;

/// The longest line that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// What QEMU says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is ready for commands: its greeting.
    Greeting,
    /// A command was done.
    Done,
    /// The monitor's words, where it was asked for some.
    Told(String),
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
    done: Option<serde_json::Value>,
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
        Ok(Line { done: Some(serde_json::Value::String(words)), .. }) => Said::Told(words),
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

/// The port of the serial line's register that says which interrupts it makes.
const INTERRUPTS: &str = "0x3f9";

/// Asks QEMU whether the machine listens to its serial line, which it answers by words for [`listens`].
pub(super) fn ask_whether_it_listens(input: &mut impl Write) -> io::Result<()> {
    let command = format!("i/b {INTERRUPTS}");
    let command = json!({ "execute": "human-monitor-command", "arguments": { "command-line": command } });
    input.write_all(format!("{command}\n").as_bytes())?;
    input.flush()
}

/// Whether the machine has its serial line interrupt where something is typed: bit 0 of the register.
pub(super) fn listens(words: &str) -> bool {
    let value = words.trim().rsplit_once("= 0x").map(|(_, value)| u8::from_str_radix(value, 16));
    matches!(value, Some(Ok(value)) if value & 1 == 1)
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
    fn a_machine_listens_that_wants_to_be_told() {
        let said = br#"{"return": "portb[0x03f9] = 0x01\r\n"}"#;
        read(&said[..], |said| assert_eq!(said, Said::Told("portb[0x03f9] = 0x01\r\n".into())));
        for (words, yes) in [
            ("portb[0x03f9] = 0x01\r\n", true),
            ("portb[0x03f9] = 0x07", true),
            ("portb[0x03f9] = 0x00\r\n", false),
            ("portb[0x03f9] = 0x02", false),
            ("unknown command: 'i/b'", false),
            ("= 0x", false),
            ("= 0x101", false),
            ("", false),
        ] {
            assert_eq!(listens(words), yes, "{words}");
        }
        let mut asked = Vec::new();
        ask_whether_it_listens(&mut asked).unwrap();
        let asked: serde_json::Value = serde_json::from_slice(&asked).unwrap();
        assert_eq!(asked["arguments"]["command-line"], "i/b 0x3f9");
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
