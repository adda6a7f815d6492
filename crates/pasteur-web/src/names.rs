//! Names of files in a paste: hostile until proven harmless.

use alloc::collections::BTreeMap;
use alloc::string::String;

/// The longest name offered for saving, in bytes: what every file system takes.
const MAX: usize = 200;

/// A name under which a file can be saved: no folder, no control or direction-changing character, nothing Windows
/// reserves, not hidden, not empty, at most 200 bytes with its extension kept.
pub(crate) fn for_saving(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut clean: String =
        last.chars().filter(|c| !invisible(*c)).map(|c| if reserved(c) { '_' } else { c }).collect();
    // Windows drops dots and spaces at the end; a dot at the front hides the file elsewhere.
    clean.truncate(clean.trim_end_matches([' ', '.']).len());
    let front = clean.len() - clean.trim_start_matches([' ', '.']).len();
    clean.drain(..front);
    if clean.is_empty() {
        return String::from("file");
    }
    if device(&clean) {
        clean.insert(0, '_');
    }
    shorten(clean)
}

/// A name as it is shown: what is invisible or turns the reading direction is taken out, so `fdp.exe` looks like itself.
pub(crate) fn for_showing(name: &str) -> String {
    let shown: String = name.chars().filter(|c| !invisible(*c)).collect();
    if shown.trim().is_empty() { String::from("(no name)") } else { shown }
}

/// Names under which the files of one paste are saved: alike ones (on a file system that ignores case) are numbered.
#[derive(Debug, Default)]
pub(crate) struct Distinct {
    /// Names given out, in lower case, each with the number its next double gets.
    taken: BTreeMap<String, u32>,
}

impl Distinct {
    /// The name for one more file.
    pub(crate) fn add(&mut self, name: &str) -> String {
        let name = for_saving(name);
        let key = name.to_lowercase();
        let Some(&next) = self.taken.get(&key) else {
            self.taken.insert(key, 2);
            return name;
        };
        let (stem, end) = split(&name);
        let (n, numbered) = (next..)
            .map(|n| (n, alloc::format!("{stem} ({n}){end}")))
            .find(|(_, numbered)| !self.taken.contains_key(&numbered.to_lowercase()))
            .unwrap_or_else(|| (next, name.clone()));
        self.taken.insert(key, n + 1);
        self.taken.insert(numbered.to_lowercase(), 2);
        numbered
    }
}

fn invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn reserved(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*' | '~' | '%')
}

/// Windows' device names, with any extension.
fn device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    if ["con", "prn", "aux", "nul"].iter().any(|d| stem.eq_ignore_ascii_case(d)) {
        return true;
    }
    let port = stem.len() == 4 && stem.is_ascii() && stem.as_bytes()[3].is_ascii_digit();
    port && ["com", "lpt"].iter().any(|d| stem[..3].eq_ignore_ascii_case(d))
}

fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    }
}

fn shorten(name: String) -> String {
    if name.len() <= MAX {
        return name;
    }
    let (stem, end) = split(&name);
    let mut at = MAX - end.len();
    while !stem.is_char_boundary(at) {
        at -= 1;
    }
    let mut short = String::from(&stem[..at]);
    short.push_str(end);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_elsewhere() {
        for (name, saved) in [
            ("notes.txt", "notes.txt"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\x.dll", "x.dll"),
            ("", "file"),
            ("..", "file"),
            ("/", "file"),
            (".bashrc", "bashrc"),
            ("a\u{202e}gpj.exe", "agpj.exe"),
            ("a\0b\n.txt", "ab.txt"),
            ("nul.txt", "_nul.txt"),
            ("COM1", "_COM1"),
            ("con ", "_con"),
            ("a:b|c?.txt", "a_b_c_.txt"),
            ("end. . ", "end"),
            ("naïve – ü.txt", "naïve – ü.txt"),
        ] {
            assert_eq!(for_saving(name), saved, "{name:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let long = for_saving(&alloc::format!("{}.tar.gz", "é".repeat(300)));
        assert!(long.len() <= MAX && long.ends_with(".gz"), "{long}");
        assert!(for_saving(&"x".repeat(5000)).len() <= MAX);
    }

    #[test]
    fn alike_names_are_numbered() {
        let mut names = Distinct::default();
        let given = ["a.txt", "A.TXT", "b", "a (3).txt", "a.txt", "b"].map(|n| names.add(n));
        assert_eq!(given, ["a.txt", "A (2).TXT", "b", "a (3).txt", "a (4).txt", "b (2)"]);
    }

    #[test]
    fn shown_names_hide_nothing() {
        assert_eq!(for_showing("x\u{202e}fdp.exe"), "xfdp.exe");
        assert_eq!(for_showing("\u{200b}"), "(no name)");
    }
}
