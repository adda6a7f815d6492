//! A base name that can be used as one path component.

/// The last component of a file name as sent, of either kind of path (`/` or `\`), or `None` where nothing safe is left.
///
/// The result is not empty, is not `.` or `..`, and has no separator, no control character, and no colon (a drive or an
/// alternate stream). Whether a name is taken, or reserved by an operating system, is the caller's to see to.
#[must_use]
pub fn base_name(filename: &str) -> Option<&str> {
    let base = filename.rsplit(['/', '\\']).next()?;
    let base = base.trim_matches(|c: char| c == ' ' || c == '\t');
    let hidden = |c: char| c.is_control() || c == ':';
    if base.is_empty() || base == "." || base == ".." || base.contains(hidden) { None } else { Some(base) }
}

#[cfg(test)]
mod tests {
    use super::base_name;

    #[test]
    fn leaves_no_path() {
        for (from, to) in [
            ("a.txt", Some("a.txt")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\fakepath\\b.txt", Some("b.txt")),
            ("..", None),
            ("a/", None),
            ("a/.", None),
            ("", None),
            ("C:", None),
            ("a\0b", None),
            (" x ", Some("x")),
            ("a/ .. ", None),
            ("...", Some("...")),
        ] {
            assert_eq!(base_name(from), to, "{from:?}");
        }
    }
}
