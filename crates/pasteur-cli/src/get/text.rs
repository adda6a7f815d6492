//! A paste's text on standard output: byte for byte into a file or pipe; on a terminal, where a stranger's control
//! characters could do harm, made harmless.

use std::io::{self, IsTerminal, Stdout, Write};

use crate::failure::Failure;
use crate::human;

/// Standard output, for text that comes in pieces.
pub(super) struct TextOut<W> {
    to: W,
    terminal: bool,
    /// The beginning of a character whose rest has not come.
    held: Vec<u8>,
    ended_line: bool,
}

impl TextOut<Stdout> {
    /// Standard output.
    pub(super) fn stdout() -> Self {
        let to = io::stdout();
        let terminal = to.is_terminal();
        Self { to, terminal, held: Vec::new(), ended_line: true }
    }
}

impl<W: Write> TextOut<W> {
    /// Writes the next piece.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let result = if self.terminal { self.write_harmless(bytes) } else { self.to.write_all(bytes) };
        result.map_err(Failure::stdout)
    }

    /// Ends the text; a terminal's prompt then begins a line of its own.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        let result =
            if self.terminal && !self.held.is_empty() { self.to.write_all("\u{FFFD}".as_bytes()) } else { Ok(()) };
        let line = if self.terminal && !self.ended_line { self.to.write_all(b"\n") } else { Ok(()) };
        result.and(line).and_then(|()| self.to.flush()).map_err(Failure::stdout)
    }

    fn write_harmless(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.held.extend_from_slice(bytes);
        let whole = whole_characters(&self.held);
        let text = human::printable(&String::from_utf8_lossy(&self.held[..whole]), true);
        self.held.drain(..whole);
        if let Some(last) = text.chars().last() {
            self.ended_line = last == '\n';
        }
        self.to.write_all(text.as_bytes())
    }
}

/// The length of the bytes without a character that is begun at their end.
fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    for (back, byte) in bytes[tail..].iter().rev().enumerate() {
        let needs = match byte {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF7 => 4,
            0x80..=0xBF => continue,
            _ => return bytes.len(),
        };
        return if back + 1 < needs { bytes.len() - back - 1 } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(terminal: bool, pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = TextOut { to: Vec::new(), terminal, held: Vec::new(), ended_line: true };
        for piece in pieces {
            out.write(piece).unwrap();
        }
        out.end().unwrap();
        out.to
    }

    #[test]
    fn a_file_gets_every_byte_and_a_terminal_no_commands() {
        let text = b"a\x1b[2J\xff\xe4";
        assert_eq!(shown(false, &[text]), text);
        assert_eq!(shown(true, &[text]), "a\u{fffd}[2J\u{fffd}\u{fffd}\n".as_bytes());
        assert_eq!(shown(true, &[b"done\n"]), b"done\n");
        assert_eq!(shown(true, &[]), b"");
    }

    proptest! {
        #[test]
        fn any_split_shows_the_same(text in "\\PC{0,40}", at in 0_usize..40) {
            let bytes = text.as_bytes();
            let at = at.min(bytes.len());
            prop_assert_eq!(shown(true, &[&bytes[..at], &bytes[at..]]), shown(true, &[bytes]));
        }
    }
}
