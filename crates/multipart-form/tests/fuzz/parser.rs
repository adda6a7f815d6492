//! Target: any split gives the same events, and they are those of the plain reading.

use multipart_form::{Boundary, Limits, Overflow, Parser, Unlisted};

use crate::events::{Told, tell};
use crate::input::{Input, Numbers};
use crate::naive;

/// Multiparts inside each other.
const DEPTH: usize = 6;

/// Options, a seed for splits, a Content-Type up to a line feed, a body.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let (options, seed) = (input.byte(), input.byte());
    let Ok(boundary) = Boundary::from_content_type(input.until(b'\n')) else { return };
    let body = input.0;
    let mut numbers = Numbers::new(u64::from(seed));
    let nested = options & 1 != 0;
    let limits = if options & 2 == 0 { Limits::unbounded() } else { tight(options, &mut numbers) };
    let parser = || Parser::new(boundary.clone(), limits.clone()).nested(nested);
    let whole = tell(parser(), &[body]);
    for _ in 0..3 {
        let pieces = numbers.pieces(body);
        assert_eq!(tell(parser(), &pieces), whole);
    }
    let unlimited = Limits::unbounded().headers(u64::MAX).header_bytes(u64::MAX);
    let told = tell(Parser::new(boundary.clone(), unlimited.depth(DEPTH as u64)).nested(nested), &[body]);
    let whole = if matches!(told.last(), Some(Told::Fault(..))) { None } else { Some(told) };
    assert_eq!(whole, naive::read(&boundary, body, if nested { DEPTH } else { 0 }));
}

fn tight(options: u8, numbers: &mut Numbers) -> Limits {
    let mut number = |end| numbers.below(end) as u64;
    let limits = Limits::default()
        .parts(number(20))
        .headers(number(5))
        .header_bytes(number(300))
        .part_bytes(number(300))
        .body_bytes(number(4000))
        .preamble_bytes(number(60))
        .depth(1 + number(4))
        .name_bytes(number(40))
        .filename_bytes(number(60))
        .field("a", number(40));
    let limits = if options & 4 == 0 { limits } else { limits.overflow(Overflow::Truncate) };
    match options & 24 {
        8 => limits.allow(["a", "file"], Unlisted::Refuse),
        16 => limits.allow(["a", "file"], Unlisted::Skip),
        _ => limits,
    }
}
