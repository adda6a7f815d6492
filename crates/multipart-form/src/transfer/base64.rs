//! base64 (RFC 2045, section 6.8; RFC 4648).

use alloc::vec::Vec;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const LINE: u8 = 76;
const SPACE: u8 = 64;
const PAD: u8 = 65;
const BAD: u8 = 66;
const VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let mut values = [BAD; 256];
    let mut at = 0;
    while at < 64 {
        #[expect(clippy::cast_possible_truncation, reason = "below 64")]
        {
            values[DIGITS[at] as usize] = at as u8;
        }
        at += 1;
    }
    values[b'=' as usize] = PAD;
    (values[b' ' as usize], values[b'\t' as usize]) = (SPACE, SPACE);
    (values[b'\r' as usize], values[b'\n' as usize]) = (SPACE, SPACE);
    values
}

#[derive(Clone, Debug, Default)]
pub(super) struct Decoder {
    bits: u32,
    digits: u8,
    pads: u8,
}

impl Decoder {
    pub(super) fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Option<()> {
        for &b in input {
            let value = VALUES[usize::from(b)];
            match value {
                0..SPACE if self.pads == 0 => {
                    self.bits = self.bits << 6 | u32::from(value);
                    self.digits += 1;
                    if self.digits == 4 {
                        out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
                        (self.bits, self.digits) = (0, 0);
                    }
                }
                SPACE => {}
                PAD if self.digits >= 2 && self.digits + self.pads < 4 => {
                    self.pads += 1;
                    if self.digits + self.pads == 4 {
                        let bytes = (self.bits << (6 * u32::from(self.pads))).to_be_bytes();
                        out.extend_from_slice(&bytes[1..usize::from(self.digits)]);
                    }
                }
                _ => return None,
            }
        }
        Some(())
    }

    pub(super) fn finish(&self) -> bool {
        self.digits == 0 || self.digits + self.pads == 4
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Encoder {
    held: [u8; 3],
    len: u8,
    column: u8,
}

impl Encoder {
    pub(super) fn encode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        for &b in input {
            self.held[usize::from(self.len)] = b;
            self.len += 1;
            if self.len == 3 {
                self.write(out);
            }
        }
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        if self.len > 0 {
            self.write(out);
        }
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        if self.column == LINE {
            out.extend_from_slice(b"\r\n");
            self.column = 0;
        }
        let bits = self.held.iter().fold(0, |bits, &b| bits << 8 | usize::from(b));
        let mut four = [18, 12, 6, 0].map(|shift| DIGITS[bits >> shift & 63]);
        four[usize::from(self.len) + 1..].fill(b'=');
        out.extend_from_slice(&four);
        self.column += 4;
        (self.held, self.len) = ([0; 3], 0);
    }
}

pub(super) fn encoded_len(len: u64) -> Option<u64> {
    let digits = len.div_ceil(3).checked_mul(4)?;
    digits.checked_add(digits.saturating_sub(1) / u64::from(LINE) * 2)
}
