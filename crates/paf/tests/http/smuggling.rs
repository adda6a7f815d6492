//! Requests whose end two servers could see at different places (RFC 9112 section 11.2): none is answered.

use paf::http::Limits;

use crate::world::{World, settle};

/// Behind the doubtful request stands what a smuggler would have another server take for one.
const SMUGGLED: &str = "GET /peer HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_doubtful_message_is_refused_and_its_connection_closed() {
    for head in [
        "content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\n",
        "content-length: 0\r\ncontent-length: 33\r\n\r\n",
        "content-length: 0\r\ncontent-length: 0\r\n\r\n",
        "content-length: 0, 0\r\n\r\n",
        "content-length: +0\r\n\r\n",
        "content-length : 0\r\n\r\n",
        "content-length: 0\nx: y\r\n\r\n",
        "x: y\n\n",
        "x: y\r\n\n",
        "x: y\r\n folded\r\n\r\n",
        "content-length:\r\n 0\r\n\r\n",
        "x: y\rcontent-length: 33\r\n\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
        "transfer-encoding: identity\r\n\r\n",
        "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding\u{b}: chunked\r\n\r\n0\r\n\r\n",
    ] {
        for first in ["", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"] {
            let world = World::new(Limits::default());
            let mut client = world.connect();
            // The service may be done with it before all is sent.
            let _ = client.try_send(&format!("{first}POST /echo HTTP/1.1\r\nhost: a\r\n{head}{SMUGGLED}")).await;
            let said = client.rest().await;
            let answers: Vec<&str> = said.match_indices("HTTP/1.1 ").map(|(at, _)| &said[at + 9..at + 12]).collect();
            let expected: &[&str] = if first.is_empty() { &["400"] } else { &["200", "400"] };
            assert_eq!(answers, expected, "{first:?} {head:?}: {said}");
            settle().await;
            assert_eq!(world.counters().malformed, 1, "{head:?}");
            world.end().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn chunks_that_are_none_break_the_connection() {
    for body in ["0x1\r\na\r\n0\r\n\r\n", "1\na\n0\n\n", "1\r\nab0\r\n\r\n", "-1\r\n\r\n", "fffffffffffffffff\r\na"] {
        let world = World::new(Limits::default());
        let mut client = world.connect();
        let head = "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        let _ = client.try_send(&format!("{head}{body}{SMUGGLED}")).await;
        let said = client.rest().await;
        assert!(said.matches("HTTP/1.1 ").count() <= 1 && !said.contains("Local"), "{body:?}: {said}");
        world.end().await;
    }
}

/// One reader ends a trailer at an empty line that ends in a bare LF, and takes what follows for a request; another reads on.
#[tokio::test(start_paused = true)]
async fn a_bare_line_feed_in_a_trailer_breaks_the_connection() {
    for trailer in ["v: \nw: x\r\n\r\n", "v: w\n\n", "\n", "v: w\r\n\n", "\nv: w\r\n\r\n"] {
        for path in ["/echo", "/refuse"] {
            let world = World::new(Limits::default());
            let mut client = world.connect();
            let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n");
            let _ = client.try_send(&format!("{head}{trailer}{SMUGGLED}{SMUGGLED}")).await;
            let said = client.rest().await;
            assert!(said.matches("HTTP/1.1 ").count() <= 1 && !said.contains("Local"), "{path} {trailer:?}: {said}");
            assert!(!said.contains("HTTP/1.1 200"), "{path} {trailer:?}: {said}");
            world.end().await;
        }
    }
}
