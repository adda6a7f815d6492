//! Looks on as requests of HTTP/1.1 come in, and spoils those whose end two readers could see at different places.
//!
//! A proxy and a server that disagree where a request ends can be made to answer one client with another's answer (RFC
//! 9112 section 11.2). The HTTP library is right about each of these, but lenient: it reads lines that end in a bare LF,
//! and a length beside chunks. Here a message has one length or is chunked, said once, in lines that end in CRLF. What is
//! otherwise gets a byte that is no HTTP, so that the library itself refuses it (400) and the connection ends.

use memchr::memchr;

/// How much of a line is looked at: the fields of a message's length are far shorter.
const LOOK: usize = 64;
/// The longest body: the library uses the two numbers above it for bodies without a length.
const LONGEST: u64 = u64::MAX - 2;
/// In no head; no library takes it for one's end.
const SPOILT: u8 = 0;

/// Where in its stream of requests a connection is.
#[derive(Debug)]
pub(super) struct Framing {
    at: At,
    /// The beginning of a line that is not all there.
    line: [u8; LOOK],
    /// How long that line is so far.
    len: usize,
    /// Its last byte.
    last: u8,
    length: Option<u64>,
    chunked: bool,
    /// Lines of the head so far, behind its first.
    lines: usize,
    /// The most that a head had.
    most_lines: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before a request, where empty lines may stand.
    Between,
    BetweenLf,
    /// In a line of a head.
    Line,
    /// So many bytes of a body are still to come.
    Body(u64),
    /// In the size of a chunk.
    Size(u64),
    SizeRest(u64),
    SizeLf(u64),
    Chunk(u64),
    ChunkCr,
    ChunkLf,
    /// Where the chunks are over: at the end, or before a trailer.
    EndCr,
    EndLf,
    Trailer,
    TrailerLf,
    /// The library will find fault by itself, or was given cause to.
    Lost,
}

impl Framing {
    pub(super) fn new() -> Self {
        Self {
            at: At::Between,
            line: [0; LOOK],
            len: 0,
            last: 0,
            length: None,
            chunked: false,
            lines: 0,
            most_lines: 0,
        }
    }

    /// How many lines of fields the head with the most of them has, as far as it came.
    pub(super) fn most_lines(&self) -> usize {
        let begun = if self.at == At::Line && self.len > 0 { self.lines } else { 0 };
        self.most_lines.max(begun)
    }

    /// Looks at the bytes that came next, and spoils one where it must.
    pub(super) fn look(&mut self, data: &mut [u8]) {
        let mut from = 0;
        while from < data.len() {
            let rest = &data[from..];
            let left = rest.len() as u64;
            let byte = rest[0];
            from += 1;
            self.at = match (self.at, byte) {
                (At::Lost, _) => return,
                (At::Line, _) => {
                    from -= 1;
                    let Some(end) = memchr(b'\n', rest) else { return self.keep(rest) };
                    if self.line_ends(&rest[..end]).is_err() {
                        data[from + end] = SPOILT;
                        self.at = At::Lost;
                        return;
                    }
                    from += end + 1;
                    continue;
                }
                (At::Body(n), _) | (At::Chunk(n), _) if n > 1 => {
                    let skipped = n.min(left);
                    from += usize::try_from(skipped - 1).unwrap_or_default();
                    match (self.at, n - skipped) {
                        (At::Body(_), 0) => At::Between,
                        (At::Body(_), n) => At::Body(n),
                        (_, 0) => At::ChunkCr,
                        (_, n) => At::Chunk(n),
                    }
                }
                (At::Body(_), _) => At::Between,
                (At::Chunk(_), _) => At::ChunkCr,
                (At::Between, b'\r') => At::BetweenLf,
                // In a trailer the library takes it for one byte of a value, and another reader for a line's end.
                (At::Between | At::EndCr | At::Trailer, b'\n') => {
                    data[from - 1] = SPOILT;
                    At::Lost
                }
                (At::Between, _) => {
                    from -= 1;
                    (self.len, self.length, self.chunked, self.lines) = (0, None, false, 0);
                    At::Line
                }
                (At::BetweenLf, b'\n') => At::Between,
                (At::Size(n), b'\r') | (At::SizeRest(n), b'\r') => At::SizeLf(n),
                (At::Size(n), b';' | b' ' | b'\t') | (At::SizeRest(n), _) => At::SizeRest(n),
                (At::Size(n), digit) => {
                    let digit = char::from(digit).to_digit(16);
                    let size = digit.and_then(|d| n.checked_mul(16)?.checked_add(u64::from(d)));
                    size.map_or(At::Lost, At::Size)
                }
                (At::SizeLf(0), b'\n') => At::EndCr,
                (At::SizeLf(n), b'\n') => At::Chunk(n),
                (At::ChunkCr, b'\r') => At::ChunkLf,
                (At::ChunkLf, b'\n') => At::Size(0),
                (At::EndCr, b'\r') => At::EndLf,
                (At::EndLf, b'\n') => At::Between,
                (At::Trailer, b'\r') => At::TrailerLf,
                (At::EndCr | At::Trailer, _) => At::Trailer,
                (At::TrailerLf, b'\n') => At::EndCr,
                _ => At::Lost,
            };
        }
    }

    /// Keeps what matters of a line that goes on.
    fn keep(&mut self, part: &[u8]) {
        let room = &mut self.line[self.len.min(LOOK)..];
        let kept = room.len().min(part.len());
        room[..kept].copy_from_slice(&part[..kept]);
        self.len += part.len();
        self.last = part.last().copied().unwrap_or(self.last);
    }

    /// A line of a head ends behind `part`, the last of it.
    fn line_ends(&mut self, part: &[u8]) -> Result<(), ()> {
        let line = if self.len == 0 {
            part
        } else {
            self.keep(part);
            &self.line[..self.len.min(LOOK)]
        };
        let len = if self.len == 0 { part.len() } else { self.len };
        let last = part.last().copied().unwrap_or(self.last);
        if len == 0 || last != b'\r' {
            return Err(());
        }
        // The CR is no part of it.
        let line = &line[..line.len().min(len - 1)];
        let is_whole = len - 1 <= LOOK;
        if line.is_empty() {
            self.at = match self.length {
                _ if self.chunked => At::Size(0),
                Some(length) if length > 0 => At::Body(length),
                _ => At::Between,
            };
            return Ok(());
        }
        let said = field(line, is_whole);
        self.len = 0;
        // The first line is no field.
        self.most_lines = self.most_lines.max(self.lines);
        self.lines += 1;
        match said? {
            Said::Nothing => return Ok(()),
            _ if self.chunked || self.length.is_some() => return Err(()),
            Said::Length(length) => self.length = Some(length),
            Said::Chunked => self.chunked = true,
        }
        Ok(())
    }
}

/// What a line says of its message's length.
enum Said {
    Nothing,
    Length(u64),
    Chunked,
}

fn field(line: &[u8], is_whole: bool) -> Result<Said, ()> {
    let is_length = match line[0] {
        b'c' | b'C' => true,
        b't' | b'T' => false,
        _ => return Ok(Said::Nothing),
    };
    let name: &[u8] = if is_length { b"content-length" } else { b"transfer-encoding" };
    let Some((own, rest)) = line.split_at_checked(name.len()) else { return Ok(Said::Nothing) };
    let Some(value) = rest.strip_prefix(b":").filter(|_| own.eq_ignore_ascii_case(name)) else {
        return Ok(Said::Nothing);
    };
    let value = value.trim_ascii();
    if !is_whole || value.is_empty() {
        return Err(());
    }
    if !is_length {
        return if value.eq_ignore_ascii_case(b"chunked") { Ok(Said::Chunked) } else { Err(()) };
    }
    let digits = value.iter().all(u8::is_ascii_digit).then(|| str::from_utf8(value).ok()).flatten();
    let length = digits.and_then(|digits| digits.parse().ok()).filter(|length| *length <= LONGEST);
    length.map(Said::Length).ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `text` passes, in pieces of this size.
    fn passes(text: &str, piece: usize) -> bool {
        let mut framing = Framing::new();
        let mut data = text.as_bytes().to_vec();
        data.chunks_mut(piece).for_each(|piece| framing.look(piece));
        data == text.as_bytes()
    }

    #[track_caller]
    fn check(text: &str, good: bool) {
        for piece in (1..40).chain([64, 100, text.len().max(1)]) {
            assert_eq!(passes(text, piece), good, "{text:?} in pieces of {piece}");
        }
    }

    const HEAD: &str = "POST / HTTP/1.1\r\nhost: a\r\n";

    #[test]
    fn what_is_clear_passes() {
        check("GET / HTTP/1.1\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nx: y\r\n\r\n", true);
        check(&format!("{HEAD}content-length: 5\r\n\r\na\nb\nc{HEAD}Content-Length:0 \r\n\r\n{HEAD}\r\n"), true);
        check(
            &format!("{HEAD}Transfer-Encoding: Chunked\r\n\r\n5;a=b\r\na\n\nbc\r\n1 \r\n\n\r\n0\r\n\r\n{HEAD}\r\n"),
            true,
        );
        check(&format!("{HEAD}transfer-encoding: chunked\r\n\r\n0\r\nt: u\r\nv: w\r\n\r\n{HEAD}\r\n"), true);
        check(
            &format!("{HEAD}x: {}\r\ncontent-type: b\r\nte: trailers\r\ncontent-lengths: 1\r\n\r\n", "y".repeat(200)),
            true,
        );
        check(&format!("{HEAD}content-length: 3\r\n\r\nabc"), true);
    }

    #[test]
    fn the_lines_of_the_head_with_most_are_known() {
        let text = format!("{HEAD}content-length: 3\r\n\r\na\nb{HEAD}x: y\r\nx: z\r\n\r\n{HEAD}x: y");
        for piece in [1, 2, 7, text.len()] {
            let mut framing = Framing::new();
            text.clone().into_bytes().chunks_mut(piece).for_each(|piece| framing.look(piece));
            assert_eq!(framing.most_lines(), 3, "in pieces of {piece}");
        }
        // A line that has begun is one.
        let mut framing = Framing::new();
        framing.look(&mut HEAD.as_bytes().to_vec());
        assert_eq!(framing.most_lines(), 1);
        framing.look(&mut [b'x']);
        assert_eq!(framing.most_lines(), 2);
    }

    #[test]
    fn what_two_could_read_otherwise_is_spoilt() {
        for lines in [
            "content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
            "content-length: 1\r\ncontent-length: 1\r\n\r\n",
            "content-length: 1\r\nx: y\r\nContent-LENGTH: 2\r\n\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            "transfer-encoding: chunked, identity\r\n\r\n",
            "transfer-encoding: gzip, chunked\r\n\r\n",
            "transfer-encoding: xchunked\r\n\r\n",
            "transfer-encoding:\r\n\r\n",
            "content-length:\r\n\r\n",
            "content-length: +1\r\n\r\n",
            "content-length: 1, 1\r\n\r\n",
            "content-length: 0x1\r\n\r\n",
            "content-length: 99999999999999999999\r\n\r\n",
            "content-length: 18446744073709551614\r\n\r\n",
            "x: y\n\r\n",
            "x: y\r\n\n",
            "\n",
        ] {
            check(&format!("{HEAD}{lines}"), false);
        }
        check(&format!("{HEAD}content-length:{}1\r\n\r\n", " ".repeat(100)), false);
        check("GET / HTTP/1.1\n\r\n", false);
        check("\nGET / HTTP/1.1\r\n\r\n", false);
        check(&format!("{HEAD}content-length: 3\r\n\r\nabcGET / HTTP/1.1\nx: y\r\n\r\n"), false);
        for trailer in ["v: \nw\r\n\r\n", "v: w\n\n", "\n", "v: w\r\n\n"] {
            check(&format!("{HEAD}transfer-encoding: chunked\r\n\r\n0\r\n{trailer}"), false);
        }
        check(&format!("{HEAD}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\n\n"), false);
    }
}
