//! Hostile clients over real sockets: each is refused or cut, the metrics say for what, and others are served. What takes its time
//! (slow heads and bodies, windows of nothing) is tested in `paf` on a clock that jumps.

use std::io::{Read, Write};
use std::net::Shutdown;

use crate::server::{Place, Server, rest};

/// The error code ENHANCE_YOUR_CALM (RFC 9113 section 7).
const CALM: u32 = 11;
const GOAWAY: u8 = 7;

/// A server that tells its metrics at its second address.
fn server(place: &Place, options: &[&str]) -> Server {
    Server::listening(place.command(&[&["--admin-listen", "127.0.0.1:0"], options].concat()), 2)
}

/// What the metrics say of `name`.
fn counted(server: &Server, name: &str) -> u64 {
    let metrics = server.get_at(1, "/metrics");
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("{name}: {metrics}"))
}

#[test]
fn requests_that_two_servers_could_read_differently_and_heads_without_end() {
    let place = Place::new();
    let server = server(&place, &[]);
    let long = format!("x: {}\r\n\r\n", "y".repeat(1 << 20));
    let shapes = [
        "content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\n",
        "content-length: 0\r\ncontent-length: 33\r\n\r\n",
        "content-length: 0\nx: y\r\n\r\n",
        "x: y\r\n folded\r\n\r\n",
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        &long,
    ];
    for shape in shapes {
        let mut stream = server.connect();
        // The server may be done with it before all is sent.
        let _ = write!(stream, "POST /healthz HTTP/1.1\r\nhost: a\r\n{shape}GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let said = rest(&mut stream);
        let status = if shape == long { "HTTP/1.1 431 " } else { "HTTP/1.1 400 " };
        assert!(said.starts_with(status) && said.matches("HTTP/1.1 ").count() == 1, "{}: {said}", shape.len());
    }
    assert!(server.get("/healthz").ends_with("ok\n"));
    assert_eq!(counted(&server, "pasteur_refused_heads_total{why=\"malformed\"}"), 6);
    assert_eq!(counted(&server, "pasteur_refused_heads_total{why=\"too_large\"}"), 1);
    server.end();
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, data: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(data.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(data);
    frame
}

/// The error code of the last GOAWAY among frames.
fn farewell(mut frames: &[u8]) -> Option<u32> {
    let mut code = None;
    while let Some((head, rest)) = frames.split_first_chunk::<9>() {
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((data, rest)) = rest.split_at_checked(len) else { break };
        if head[3] == GOAWAY {
            code = Some(u32::from_be_bytes(data[4..8].try_into().unwrap()));
        }
        frames = rest;
    }
    code
}

#[test]
fn floods_by_http2_end_their_connection() {
    const GET: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 1, b'a'];
    let place = Place::new();
    let server = server(&place, &[]);
    type Frames = fn(u32) -> Vec<u8>;
    let floods: [(&str, Frames); 5] = [
        ("reset", |n| [frame(1, 5, 2 * n + 1, &GET), frame(3, 0, 2 * n + 1, &[0, 0, 0, 8])].concat()),
        ("ping", |_| frame(6, 0, 0, &[0; 8])),
        ("settings", |_| frame(4, 0, 0, &[])),
        // Priorities, which mean nothing any more.
        ("other", |_| frame(2, 0, 1, &[0; 5])),
        // A header block that never ends.
        ("continuation", |n| if n == 0 { frame(1, 1, 1, &GET) } else { frame(9, 0, 1, &[0, 1, b'x', 1, b'y']) }),
    ];
    for (name, frames) in floods {
        let counter = if name == "continuation" { "other" } else { name };
        let floods = || counted(&server, &format!("pasteur_http2_floods_total{{frame=\"{counter}\"}}"));
        let before = floods();
        let mut stream = server.connect();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        stream.write_all(&frame(4, 0, 0, &[])).unwrap();
        let mut reading = stream.try_clone().unwrap();
        // What is said is read meanwhile, so that nothing waits for it.
        let reader = std::thread::spawn(move || {
            let mut said = Vec::new();
            let _ = reading.read_to_end(&mut said);
            said
        });
        let mut sent = 0;
        while sent < 100_000 && stream.write_all(&frames(sent)).is_ok() {
            sent += 1;
        }
        let _ = stream.shutdown(Shutdown::Write);
        let said = reader.join().unwrap();
        assert_eq!(farewell(&said), Some(CALM), "{name}: after {sent}");
        assert!(server.get("/healthz").ends_with("ok\n"), "{name}");
        assert_eq!(floods(), before + 1, "{name}");
    }
    assert_eq!(counted(&server, "pasteur_http2_errors_total"), 0);
    server.end();
}

#[test]
fn what_is_no_tls_is_told_or_closed() {
    let place = Place::new();
    let server = server(&place, &["--tls-self-signed"]);
    let garbage: Vec<u8> = (0..8192_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x80).collect();
    // Bytes of nothing are told in the only words there are; what begins as a handshake is told by an alert.
    let looks_like = [&[0x16, 3, 1, 0x10, 0, 1, 0, 0x0f, 0xfc, 3, 3][..], &garbage].concat();
    for (bytes, alert) in [(&garbage, false), (&looks_like, true)] {
        let mut stream = server.connect();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        assert_eq!(said.first() == Some(&0x15), alert, "{said:?}");
        assert_eq!(said.starts_with(b"HTTP/1.1 400 "), !alert, "{}", String::from_utf8_lossy(&said));
    }
    assert_eq!(counted(&server, "pasteur_tls_failures_total"), 1);
    assert_eq!(counted(&server, "pasteur_refused_heads_total{why=\"malformed\"}"), 1);
    server.end();
}
