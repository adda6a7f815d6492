//! What a commit says, read as Git reads it: of one that is odd, what can be told of it, and no time where Git sees none.

use gix::ObjectId;
use gix::bstr::ByteSlice;

/// A commit's parts as they are in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Commit<'a> {
    pub(super) tree: ObjectId,
    /// Absent where it has none, which some tools have written.
    pub(super) author: Option<&'a [u8]>,
    pub(super) committer: Option<&'a [u8]>,
    /// The committer's time, in seconds since 1970; 0 where there is none.
    pub(super) seconds: i64,
    pub(super) encoding: Option<&'a [u8]>,
    pub(super) message: &'a [u8],
}

impl<'a> Commit<'a> {
    /// `None` if it does not begin with its tree.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        // Headers end with an empty line, or with the commit.
        let (headers, message) = bytes.split_once_str(b"\n\n").unwrap_or((bytes, b""));
        let mut lines = headers.lines();
        let tree = ObjectId::from_hex(lines.next()?.strip_prefix(b"tree ")?).ok()?;
        let mut lines = lines.skip_while(|line| line.starts_with(b"parent ")).peekable();
        // Only where Git looks for it is the time that it sees.
        let author = lines.next_if(|line| line.starts_with(b"author"));
        let seconds =
            author.and(lines.peek()).filter(|line| line.starts_with(b"committer")).map_or(0, |line| time(line));
        let all = || author.into_iter().chain(lines.clone());
        let first = |name: &[u8]| all().find_map(|line| line.strip_prefix(name));
        let (author, committer, encoding) = (first(b"author "), first(b"committer "), first(b"encoding "));
        Some(Self { tree, author, committer, seconds, encoding, message })
    }
}

/// The seconds that a line ends with: the number behind its last `>`.
fn time(line: &[u8]) -> i64 {
    let behind = line.rsplit_once_str(b">").map_or(&b""[..], |(_, behind)| behind);
    let number = behind.fields().next().and_then(|number| number.to_str().ok());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";

    /// Author, committer, time, encoding and message.
    fn read(rest: &str) -> (Option<String>, Option<String>, i64, Option<String>, String) {
        let bytes = format!("{TREE}{rest}");
        let commit = Commit::read(bytes.as_bytes()).unwrap();
        assert_eq!(commit.tree.to_string(), TREE[5..45]);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let message = text(commit.message);
        (commit.author.map(text), commit.committer.map(text), commit.seconds, commit.encoding.map(text), message)
    }

    #[test]
    fn a_commit_is_read_with_all_that_it_has() {
        let parents = "parent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n".repeat(2);
        let signed = "gpgsig -----BEGIN\n \n encoding no\n -----END\nencoding latin1\n";
        let all =
            read(&format!("{parents}author A <a@b> 5 +0000\ncommitter B <b@c> -7 +0200\n{signed}\nwhat\n\nwhy\n"));
        let text = |text: &str| Some(text.to_owned());
        let people = (text("A <a@b> 5 +0000"), text("B <b@c> -7 +0200"));
        assert_eq!(all, (people.0, people.1, -7, text("latin1"), "what\n\nwhy\n".into()));
    }

    #[test]
    fn an_odd_commit_has_the_time_that_git_sees() {
        for (rest, seconds) in [
            ("author A <a@b> 5 +0000\ncommitter A <a <b> c> 6 +0000\n\nm", 6),
            ("author A 5 +0000\ncommitter A <a@b> 6\n\nm", 6),
            ("author A <a@b> 5 +0000\ncommitter A <a@b> 6 +0000\n", 6),
            ("author A <a@b> 5 +0000\ncommitter A 6 +0000\n\nm", 0),
            ("author A <a@b> 5 +0000\ncommitter A <a@b>\n\nm", 0),
            ("author A <a@b> 5 +0000\ncommitter A <a@b> 99999999999999999999 +0000\n\nm", 0),
            ("author A <a@b> 5 +0000\nauthor A <a@b> 5 +0000\ncommitter A <a@b> 6 +0000\n\nm", 0),
            ("committer A <a@b> 6 +0000\n\nm", 0),
            ("author A <a@b> 5 +0000\n\ncommitter A <a@b> 6 +0000", 0),
            ("", 0),
        ] {
            assert_eq!(read(rest).2, seconds, "{rest}");
        }
        assert_eq!(read("author A 1\n\ncommitter B\n").1, None, "that is its message");
        for bad in [
            "",
            "tree 4b82\nauthor",
            "author A <a> 1 +0000\n",
            "parent x\ntree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n",
        ] {
            assert_eq!(Commit::read(bad.as_bytes()), None, "{bad}");
        }
    }
}
