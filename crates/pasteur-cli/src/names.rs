//! File names from a paste are a stranger's: here they become names that are safe in one folder on any system.
//!
//! The rules are the same everywhere, so that a paste unpacks the same way everywhere: the last part of a path alone;
//! no control character, no character that turns the text around, none that Windows gives a meaning; no leading dot (a
//! paste never drops a `.bashrc`) or dash; no trailing dot or space; no device's name; at most 240 bytes, the ending kept.

use crate::human;

/// The longest name in bytes: 255 is what file systems take, and a number may be added.
const LONGEST: usize = 240;
/// The longest ending that is kept whole when a name is cut.
const LONGEST_ENDING: usize = 32;

/// A safe file name for a stranger's name: one plain path component, never empty.
pub(crate) fn safe(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).find(|part| !matches!(*part, "" | "." | "..")).unwrap_or_default();
    let mut clean: String = last.chars().map(|c| if forbidden(c) { '_' } else { c }).collect();
    clean.truncate(clean.trim_end_matches(trimmed).len());
    let mut clean = shorten(clean.trim_start_matches(char::is_whitespace));
    if clean.starts_with(['.', '-', '~']) {
        clean.replace_range(..1, "_");
    }
    if clean.is_empty() {
        return String::from("file");
    }
    if is_device(&clean) {
        clean.insert(0, '_');
        clean = shorten(&clean);
    }
    clean
}

/// The name with ` (number)` before its ending.
pub(crate) fn numbered(name: &str, number: usize) -> String {
    match ending(name) {
        0 => format!("{name} ({number})"),
        at => format!("{} ({number}){}", &name[..at], &name[at..]),
    }
}

fn forbidden(c: char) -> bool {
    human::steers(c) || matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*' | '/' | '\\' | '\u{FFFD}')
}

fn trimmed(c: char) -> bool {
    c == '.' || c.is_whitespace()
}

/// Where a name's ending begins (at its dot), or 0 where it has none.
fn ending(name: &str) -> usize {
    name.rfind('.').filter(|at| name.len() - at <= LONGEST_ENDING).unwrap_or(0)
}

fn shorten(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let tail = match ending(name) {
        0 => "",
        at => &name[at..],
    };
    let mut cut = LONGEST - tail.len();
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}{tail}", name[..cut].trim_end_matches(trimmed)).trim_end_matches(trimmed).to_owned()
}

/// Whether Windows takes the name for a device, whatever its ending.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let mut numbered = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")).unwrap_or_default().chars();
    matches!((numbered.next(), numbered.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names_become_plain_ones() {
        for (name, safe_name) in [
            ("report.pdf", "report.pdf"),
            ("Grüße 世界.txt", "Grüße 世界.txt"),
            ("../../etc/passwd", "passwd"),
            ("/etc/passwd", "passwd"),
            ("..\\..\\windows\\win.ini", "win.ini"),
            ("C:\\evil.exe", "evil.exe"),
            ("C:evil.exe", "C_evil.exe"),
            ("dir/", "dir"),
            ("..", "file"),
            (".", "file"),
            ("", "file"),
            ("/", "file"),
            ("a/..", "a"),
            ("...", "file"),
            ("  . ", "file"),
            (".bashrc", "_bashrc"),
            ("-rf", "_rf"),
            ("~", "_"),
            ("con", "_con"),
            ("NUL.txt", "_NUL.txt"),
            ("com1.tar.gz", "_com1.tar.gz"),
            ("LPT¹", "_LPT¹"),
            ("command.com", "command.com"),
            ("a\0b\n.txt", "a_b_.txt"),
            ("\x1b[31mred", "_[31mred"),
            ("photo\u{202e}gnp.exe", "photo_gnp.exe"),
            ("what?*.txt ", "what__.txt"),
            ("file:stream", "file_stream"),
        ] {
            assert_eq!(safe(name), safe_name, "{name:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let long = safe(&format!("{}.tar", "é".repeat(500)));
        assert!(long.len() <= LONGEST && long.ends_with("é.tar"), "{long}");
        assert!(safe(&"x".repeat(5000)).len() <= LONGEST);
        assert!(safe(&format!("x.{}", "y".repeat(5000))).len() <= LONGEST);
        let device = safe(&format!("con.{}", "é".repeat(118)));
        assert!(device.starts_with("_con.é") && device.len() <= LONGEST && safe(&device) == device, "{device}");
    }

    #[test]
    fn numbers_go_before_the_ending() {
        assert_eq!(numbered("a.txt", 1), "a (1).txt");
        assert_eq!(numbered("a.tar.gz", 2), "a.tar (2).gz");
        assert_eq!(numbered("a", 3), "a (3)");
    }

    fn check(name: &str) -> Result<(), TestCaseError> {
        let safe_name = safe(name);
        let parts: Vec<_> = Path::new(&safe_name).components().collect();
        prop_assert!(matches!(parts[..], [Component::Normal(part)] if part == safe_name.as_str()), "{:?}", safe_name);
        prop_assert!(safe_name.len() <= LONGEST);
        prop_assert!(!safe_name.starts_with(['.', '-', ' ']) && !safe_name.ends_with(['.', ' ']), "{:?}", safe_name);
        prop_assert!(!safe_name.chars().any(forbidden) && !is_device(&safe_name), "{:?}", safe_name);
        prop_assert_eq!(&safe(&safe_name), &safe_name);
        let other = numbered(&safe_name, 1);
        prop_assert!(other != safe_name && Path::new(&other).components().count() == 1);
        Ok(())
    }

    proptest! {
        #[test]
        fn any_name_becomes_one_plain_component(name in any::<String>()) {
            check(&name)?;
        }

        #[test]
        fn so_do_names_made_to_break_out(name in r"([./\\:~\- ]|\.\.|con|nul|COM1|[a-z\x00-\x20]|\u{202e}|é){0,200}") {
            check(&name)?;
        }
    }
}
