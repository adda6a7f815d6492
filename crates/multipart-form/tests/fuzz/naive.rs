//! A form read in the plainest way: all of it in memory, one byte after the other, no limits, no nesting.

use multipart_form::{Boundary, Disposition};

use crate::events::Fields;

/// The parts, or `None` for a form that is none.
pub(crate) fn read(boundary: &Boundary, body: &[u8]) -> Option<Vec<(Fields, Vec<u8>)>> {
    let delimiter = [b"--", boundary.as_str().as_bytes()].concat();
    let mut parts = Vec::new();
    let (before, mut line) = content(body, 0, &delimiter)?;
    if line.close {
        return before.chunks(2).all(|pair| pair == b"\r\n").then_some(parts);
    }
    while !line.close {
        let (fields, start) = header(body, line.end)?;
        let (content, next) = content(body, start, &delimiter)?;
        parts.push((fields, content.to_vec()));
        line = next;
    }
    Some(parts)
}

struct Line {
    close: bool,
    end: usize,
}

/// What begins at `start`, a line's beginning, and the delimiter line that ends it.
fn content<'a>(body: &'a [u8], start: usize, delimiter: &[u8]) -> Option<(&'a [u8], Line)> {
    for at in start..body.len() {
        let line_start = at == start || at >= start + 2 && body[at - 2..].starts_with(b"\r\n");
        let Some(rest) = body[at..].strip_prefix(delimiter).filter(|_| line_start) else { continue };
        let content = &body[start..if at == start { at } else { at - 2 }];
        if rest.starts_with(b"--") {
            return Some((content, Line { close: true, end: body.len() }));
        }
        let padding = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        if rest[padding..].starts_with(b"\r\n") {
            let end = body.len() - rest.len() + padding + 2;
            return Some((content, Line { close: false, end }));
        }
        if padding > 1024 {
            return None;
        }
    }
    None
}

fn header(body: &[u8], mut at: usize) -> Option<(Fields, usize)> {
    let mut fields = Fields::new();
    loop {
        let end = at + body[at..].windows(2).position(|pair| pair == b"\r\n")?;
        let line = &body[at..end];
        at = end + 2;
        if line.is_empty() {
            return finish(fields).map(|fields| (fields, at));
        }
        if line.iter().any(|b| matches!(b, 0 | b'\r' | b'\n')) {
            return None;
        }
        if matches!(line[0], b' ' | b'\t') {
            let value = &mut fields.last_mut()?.1;
            value.push(b' ');
            let skip = line.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            value.extend_from_slice(&line[skip..]);
            continue;
        }
        let colon = line.iter().position(|&b| b == b':')?;
        let name = &line[..colon];
        let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        if name.is_empty() || !name.iter().all(token) {
            return None;
        }
        fields.push((name.to_vec(), line[colon + 1..].to_vec()));
    }
}

fn finish(mut fields: Fields) -> Option<Fields> {
    let space = |b: &u8| matches!(b, b' ' | b'\t');
    for (_, value) in &mut fields {
        let start = value.iter().take_while(|b| space(b)).count();
        value.drain(..start);
        while value.last().is_some_and(space) {
            value.pop();
        }
    }
    let mut dispositions = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"content-disposition"));
    if let Some((_, value)) = dispositions.next() {
        Disposition::parse(value).ok()?;
    }
    dispositions.next().is_none().then_some(fields)
}
