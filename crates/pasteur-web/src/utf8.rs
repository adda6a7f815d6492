//! Text that arrives in pieces, cut anywhere.

use alloc::string::String;
use alloc::vec::Vec;

/// Decodes UTF-8 piece by piece. What is no UTF-8 becomes U+FFFD, as in `String::from_utf8_lossy` of the whole.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The first bytes of a character whose rest has not come: at most 3.
    cut: Vec<u8>,
}

impl Decoder {
    /// The text that `bytes` completes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        let mut all = core::mem::take(&mut self.cut);
        all.extend_from_slice(bytes);
        let mut text = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            if chunk.invalid().is_empty() {
                continue;
            }
            // Only at the very end may a broken character be one that was cut.
            if chunks.peek().is_none() && begins_character(chunk.invalid()) {
                self.cut = chunk.invalid().to_vec();
            } else {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }

    /// The end: a character that is still cut is a broken one.
    pub(crate) fn finish(&mut self) -> String {
        if core::mem::take(&mut self.cut).is_empty() {
            String::new()
        } else {
            String::from(char::REPLACEMENT_CHARACTER)
        }
    }
}

/// Whether these bytes, which `utf8_chunks` found invalid at the end of input, only lack more.
fn begins_character(bytes: &[u8]) -> bool {
    core::str::from_utf8(bytes).is_err_and(|e| e.error_len().is_none())
}

/// Where to end the first of the blocks that `text` is shown in: after a line's end at or past `wanted` bytes, but
/// before `most` bytes have gone by; nowhere if neither is reached.
pub(crate) fn block_end(text: &str, wanted: usize, most: usize) -> Option<usize> {
    let until = text.floor_char_boundary(most);
    let from = wanted.saturating_sub(1).min(until);
    let line = text.as_bytes()[from..until].iter().position(|&b| b == b'\n').map(|at| from + at + 1);
    line.or((until < text.len()).then_some(until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_what_the_whole_gives() {
        let samples: [&[u8]; 7] = [
            b"",
            "plain".as_bytes(),
            "é€😀 z".as_bytes(),
            b"\xff\xfeab",
            b"ab\xe2\x82",
            b"\xf0\x9f\x98x\xe2\x82\xac",
            b"\xed\xa0\x80\xc0\xaf",
        ];
        for sample in samples {
            let whole = String::from_utf8_lossy(sample);
            for size in 1..=sample.len().max(1) {
                let mut decoder = Decoder::default();
                let mut text: String = sample.chunks(size).map(|c| decoder.push(c)).collect();
                text.push_str(&decoder.finish());
                assert_eq!(text, whole, "{sample:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn blocks_end_with_lines() {
        assert_eq!(block_end("ab\ncd\nef", 1, 99), Some(3));
        assert_eq!(block_end("ab\ncd\nef", 3, 99), Some(3));
        assert_eq!(block_end("ab\ncd\nef", 4, 99), Some(6));
        assert_eq!(block_end("ab\ncd\nef", 7, 99), None);
        assert_eq!(block_end("", 10, 99), None);
        assert_eq!(block_end("é\n", 0, 99), Some(3));
    }

    #[test]
    fn a_line_without_end_is_broken_between_characters() {
        assert_eq!(block_end("abcdef", 2, 4), Some(4));
        assert_eq!(block_end("abcdef", 2, 6), None);
        assert_eq!(block_end("abéd", 2, 3), Some(2));
        assert_eq!(block_end("abc\n", 0, 0), Some(0), "a block that is full ends before this text");
    }
}
