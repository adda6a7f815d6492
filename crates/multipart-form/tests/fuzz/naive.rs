//! A form read in the plainest way: all of it in memory, one byte after the other, what is inside a part once more from the
//! start, no limits but the depth.

use multipart_form::{Boundary, ContentType, Disposition};

use crate::events::{Fields, Told};

/// What is told of a form whose multiparts may be `depth` deep (those deeper are a fault, and with 0 none is looked for), or
/// `None` for a form that is none.
pub(crate) fn read(boundary: &Boundary, body: &[u8], depth: usize) -> Option<Vec<Told>> {
    let mut told = Vec::new();
    multipart(std::slice::from_ref(boundary), body, depth, &mut told)?;
    told.push(Told::Done);
    Some(told)
}

/// The multipart of the last of `boundaries`; the others are of those around it.
fn multipart(boundaries: &[Boundary], body: &[u8], depth: usize, told: &mut Vec<Told>) -> Option<()> {
    let delimiter = [b"--", boundaries.last()?.as_str().as_bytes()].concat();
    let (before, mut line) = content(body, 0, &delimiter)?;
    if line.close {
        return before.chunks(2).all(|pair| pair == b"\r\n").then_some(());
    }
    while !line.close {
        let (fields, start) = header(body, line.end)?;
        let (content, next) = content(body, start, &delimiter)?;
        match inner(&fields).filter(|inner| depth > 0 && !boundaries.contains(inner)) {
            Some(_) if boundaries.len() >= depth => return None,
            Some(inner) => {
                told.push(Told::Enter(fields));
                multipart(&[boundaries, &[inner]].concat(), content, depth, told)?;
                told.push(Told::Leave);
            }
            None => {
                told.push(Told::Part(fields));
                if !content.is_empty() {
                    told.push(Told::Body(content.to_vec()));
                }
                told.push(Told::End(0));
            }
        }
        line = next;
    }
    Some(())
}

/// The boundary of the multipart that a part with these fields is.
fn inner(fields: &Fields) -> Option<Boundary> {
    let (_, value) = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"content-type"))?;
    let value = ContentType::parse(value)?;
    if value.is_multipart() { value.boundary().ok() } else { None }
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
