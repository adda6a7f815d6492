//! A form's events without the cuts between data.

use multipart_form::{Error, ErrorKind, Event, Head, Parser};

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Part(Fields),
    Body(Vec<u8>),
    /// With the bytes that were dropped.
    End(u64),
    Enter(Fields),
    Leave,
    Done,
    /// With its offset and its field.
    Fault(ErrorKind, Option<u64>, Option<String>),
}

pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

pub(crate) fn fields(head: &Head<'_>) -> Fields {
    head.fields().map(|f| (f.name().as_bytes().to_vec(), f.value().to_vec())).collect()
}

/// All that a parser tells of a body that comes in `pieces`, and how much it took of it.
pub(crate) fn tell(mut parser: Parser, pieces: &[&[u8]]) -> Vec<Told> {
    let mut told = Vec::new();
    let mut pushed = 0;
    if let Err(error) = drive(&mut parser, pieces, &mut told, &mut pushed) {
        assert!(error.offset().is_none_or(|at| at <= pushed), "{error} though {pushed} bytes were pushed");
        assert_eq!(parser.next(&mut &b"--"[..]).unwrap_err(), error, "an error stays");
        assert_eq!(parser.close().unwrap_err(), error, "an error stays");
        told.push(Told::Fault(error.kind(), error.offset(), error.field().map(String::from)));
    }
    told
}

fn drive(parser: &mut Parser, pieces: &[&[u8]], told: &mut Vec<Told>, pushed: &mut u64) -> Result<(), Error> {
    for piece in pieces {
        *pushed += piece.len() as u64;
        let mut input = *piece;
        loop {
            let before = input.len();
            let at = parser.offset();
            let Some(event) = parser.next(&mut input)? else { break };
            let taken = before - input.len();
            match event {
                Event::Part(head) => told.push(Told::Part(fields(&head))),
                Event::Enter(head) => told.push(Told::Enter(fields(&head))),
                Event::Data(bytes) => {
                    assert!(!bytes.is_empty());
                    match told.last_mut() {
                        Some(Told::Body(body)) => body.extend_from_slice(bytes),
                        _ => told.push(Told::Body(bytes.to_vec())),
                    }
                }
                Event::End => {
                    let dropped = parser.dropped();
                    told.push(Told::End(dropped));
                }
                Event::Leave => told.push(Told::Leave),
                Event::Done => told.push(Told::Done),
                _ => panic!("an event without a name"),
            }
            assert_eq!(parser.offset(), at + taken as u64);
        }
        assert!(input.is_empty(), "more is asked for though there is some");
    }
    parser.close()
}
