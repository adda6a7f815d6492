//! quoted-printable (RFC 2045, section 6.7).

use alloc::vec::Vec;

use crate::value::hex;

/// Spaces and tabs in a row that are held, until it is known whether a line ends behind them. A line has 76 characters.
const HELD: usize = 1024;
const LINE: u8 = 76;

#[derive(Clone, Debug, Default)]
pub(super) struct Decoder {
    state: State,
    spaces: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// A CR behind spaces, which are removed if LF follows.
    Cr,
    /// An `=`.
    Equals,
    /// An `=` and a digit.
    High(u8),
    /// An `=` and spaces, which only a line end may follow.
    Soft,
    /// An `=`, perhaps spaces, and a CR.
    SoftCr,
}

impl Decoder {
    pub(super) fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Option<()> {
        for &b in input {
            self.state = match (self.state, b) {
                (State::Cr, b'\n') => {
                    self.spaces.clear();
                    out.extend_from_slice(b"\r\n");
                    State::Text
                }
                (State::Cr, _) => {
                    out.append(&mut self.spaces);
                    out.push(b'\r');
                    self.text(b, out)?
                }
                (State::Text, _) => self.text(b, out)?,
                (State::Equals | State::Soft, b' ' | b'\t') => State::Soft,
                (State::Equals | State::Soft, b'\r') => State::SoftCr,
                (State::Equals | State::Soft | State::SoftCr, b'\n') => State::Text,
                (State::Equals, _) => State::High(hex(b)?),
                (State::High(high), _) => {
                    out.push(high << 4 | hex(b)?);
                    State::Text
                }
                (State::Soft | State::SoftCr, _) => return None,
            };
        }
        Some(())
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) -> bool {
        if self.state == State::Cr {
            out.append(&mut self.spaces);
            out.push(b'\r');
        }
        !matches!(self.state, State::High(_))
    }

    fn text(&mut self, b: u8, out: &mut Vec<u8>) -> Option<State> {
        match b {
            b'\r' => return Some(State::Cr),
            b' ' | b'\t' => {
                if self.spaces.len() == HELD {
                    return None;
                }
                self.spaces.push(b);
                return Some(State::Text);
            }
            b'\n' => self.spaces.clear(),
            _ => out.append(&mut self.spaces),
        }
        if b == b'=' {
            return Some(State::Equals);
        }
        out.push(b);
        Some(State::Text)
    }
}

/// Encodes for binary bodies: CR and LF are encoded too, so every line end is a soft one and every byte comes back.
#[derive(Clone, Debug, Default)]
pub(super) struct Encoder {
    column: u8,
}

impl Encoder {
    pub(super) fn encode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        for &b in input {
            let plain = b.is_ascii_graphic() && b != b'=';
            let width = if plain { 1 } else { 3 };
            if self.column + width >= LINE {
                out.extend_from_slice(b"=\r\n");
                self.column = 0;
            }
            if plain {
                out.push(b);
            } else {
                out.extend_from_slice(&[b'=', DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]);
            }
            self.column += width;
        }
    }

    #[expect(clippy::unused_self, reason = "as the other encoders have it")]
    pub(super) fn finish(self, _: &mut Vec<u8>) {}
}
