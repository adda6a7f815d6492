//! The kernel command line as a program's arguments: words are divided by blanks, quotes keep blanks together, and words
//! that describe devices to a kernel are not the program's.

use alloc::string::String;
use alloc::vec::Vec;

/// The longest command line that is read, in bytes; x86 monitors pass no longer one.
pub(crate) const LONGEST: usize = 4096;

/// The program's arguments, without its name.
pub(crate) fn arguments(line: &str) -> Vec<String> {
    words(line).into_iter().filter(|word| !word.starts_with("virtio_mmio.device=")).collect()
}

/// Splits as a shell does: `'…'` takes everything literally, `"…"` and bare words heed a backslash.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = line.chars();
    while let Some(char) = rest.next() {
        match (char, quote) {
            ('\'' | '"', None) => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (close, Some(open)) if close == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(rest.next()),
            (' ' | '\t' | '\n', None) => words.extend(word.take()),
            (other, _) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::arguments;

    #[test]
    fn words_are_a_shells() {
        assert_eq!(arguments(""), [""; 0]);
        assert_eq!(arguments("  --dhcp\t--name  x "), ["--dhcp", "--name", "x"]);
        assert_eq!(arguments(r#"--name 'a b' "c \"d\"" e\ f ''"#), ["--name", "a b", "c \"d\"", "e f", ""]);
        assert_eq!(arguments(r"'a\b' 'open"), [r"a\b", "open"]);
    }

    #[test]
    fn device_tables_are_not_the_programs() {
        assert_eq!(arguments("virtio_mmio.device=512@0xfeb00e00:12 --dhcp"), ["--dhcp"]);
    }
}
